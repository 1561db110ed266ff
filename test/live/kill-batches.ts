import { type Watch, watchFulfilled, wrapMethod } from './kill-wrap.ts';

/** Between two statements of a follower's batch, and between what its store confirmed and the commit of the offsets. */
export async function watchBatches(store: string, watch: Watch): Promise<void> {
  switch (store) {
    case 'neo4j': {
      const { ManagedTransaction, Session } = await import('neo4j-driver-core');
      watchFulfilled(ManagedTransaction.prototype, 'run', watch, ([text]) => /SET|DELETE/.test(String(text)));
      watchFulfilled(Session.prototype, 'executeWrite', watch);
      watchFulfilled(Session.prototype, 'run', watch, ([text]) => /MERGE/.test(String(text)));
      return;
    }
    case 'postgres': {
      const { default: pg } = await import('pg');
      watchFulfilled(pg.Client.prototype, 'query', watch, ([query]) => /INSERT/.test(textOf(query)));
      return;
    }
    case 'milvus': {
      const { MilvusClient } = await import('@zilliz/milvus2-sdk-node');
      watchFulfilled(MilvusClient.prototype, 'upsert', watch);
      watchFulfilled(MilvusClient.prototype, 'deleteEntities', watch);
      return watchUpserts(watch);
    }
    default:
      throw new Error(`No batches of ${store} are watched.`);
  }
}

type Callback = (error: unknown, answer: unknown) => void;

/** The request that the sink writes itself (connectors/milvus/wire.ts). */
async function watchUpserts({ reached, end }: Watch): Promise<void> {
  const { Client } = await import('@grpc/grpc-js');
  wrapMethod(Client.prototype, 'makeUnaryRequest', (original) => {
    return function (...args) {
      const callback = args.at(-1) as Callback;
      if (!String(args[0]).endsWith('/Upsert')) return original.apply(this, args);
      const watched: Callback = (error, answer) => {
        if (error === null && reached()) end();
        callback(error, answer);
      };
      return original.apply(this, [...args.slice(0, -1), watched]);
    };
  });
}

function textOf(query: unknown): string {
  return typeof query === 'string' ? query : String((query as { readonly text?: unknown })?.text ?? '');
}
