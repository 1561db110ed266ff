/** Can clients work with Milvus? `/healthz` says OK before collections can be queried, so this queries them. */
import type { ConsistencyLevelEnum, MilvusClient, ShowCollectionsType } from '@zilliz/milvus2-sdk-node';
import { ChangeoverError } from '../core/errors.ts';
import { within } from './probe.ts';

const CALL_MS = 2_500;

/** The name, which the wire format takes as well: the client's own 0 for it counts as "not given" in places. */
const STRONG = 'Strong' as unknown as ConsistencyLevelEnum;

/** Resolves when every collection that is loaded, in every database, answers a strong read. */
export async function probeMilvus(address: string, limitMs: number): Promise<void> {
  // Loading this client takes most of a second, which commands that never ask Milvus should not have to wait.
  const { MilvusClient, ShowCollectionsType } = await import('@zilliz/milvus2-sdk-node');
  const client = new MilvusClient({
    address,
    timeout: CALL_MS,
    maxRetries: 0,
    telemetry: { enabled: false },
  });
  try {
    await within(limitMs, queryEverything(client, ShowCollectionsType.Loaded));
  } finally {
    await within(CALL_MS, client.closeConnection()).catch(() => undefined);
  }
}

async function queryEverything(client: MilvusClient, loadedOnly: ShowCollectionsType): Promise<void> {
  await within(CALL_MS, client.connectPromise);
  const timeout = CALL_MS;
  const databases = await client.listDatabases({ timeout });
  succeeded('listDatabases', databases.status);
  for (const db_name of databases.db_names) {
    // Collections that are being loaded again after a restart are in this list, too.
    const loaded = await client.showCollections({ db_name, type: loadedOnly, timeout });
    succeeded('showCollections', loaded.status);
    for (const { name } of loaded.data) {
      const counted = await client.query({
        db_name,
        collection_name: name,
        filter: '',
        output_fields: ['count(*)'],
        consistency_level: STRONG,
        timeout,
      });
      succeeded(`query ${db_name}.${name}`, counted.status);
    }
  }
}

/** The client resolves for most refusals, with the reason in a status. */
function succeeded(
  call: string,
  status: { readonly code?: number; readonly reason: string } | undefined,
): void {
  if (status?.code === 0) return;
  throw new ChangeoverError('unreachable', `milvus: ${call}: ${status?.reason ?? 'no answer'}`);
}
