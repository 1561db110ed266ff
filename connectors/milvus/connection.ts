import type { ConsistencyLevelEnum, FieldType, MilvusClient, RowData } from '@zilliz/milvus2-sdk-node';
import { ChangeoverError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Closable } from '../../core/service.ts';
import type { Tenure } from '../connector.ts';
import type { Calls } from './calls.ts';
import { counted, type Mutation } from './counted.ts';
import { serverCodeOf } from './errors.ts';
import { idIn } from './filter.ts';
import type { MilvusRow } from './rows.ts';
import { createUpsert, type UpsertEmbeddings } from './upsert.ts';
import type { Wire } from './wire.ts';

export interface Query {
  readonly collection: string;
  readonly filter: string;
  readonly fields: readonly string[];
  readonly limit?: number;
  readonly offset?: number;
  /** `Strong` (the default) sees all that was confirmed before; `Bounded` is for rough answers. */
  readonly consistency?: 'Strong' | 'Bounded' | SeesUntil;
}

/** Sees all that was confirmed before this timestamp of the server was given out, and waits for nothing newer. */
export interface SeesUntil {
  readonly timestamp: string;
}

export interface NewCollection {
  readonly collection: string;
  readonly description: string;
  readonly fields: readonly FieldType[];
}

export interface VectorIndex {
  readonly collection: string;
  readonly field: string;
  readonly type: 'HNSW' | 'FLAT';
  readonly metric: 'COSINE' | 'L2' | 'IP';
  readonly parameters: Readonly<Record<string, number>>;
}

export interface Health {
  readonly healthy: boolean;
  readonly reasons: readonly string[];
}

/**
 * What we use of Milvus; every call has a deadline, its status is looked at, and everything thrown is ours. A write with a
 * tenure is tried once and has ended with it.
 */
export interface MilvusConnection extends Closable {
  readonly where: string;
  version(): Promise<string>;
  health(): Promise<Health>;
  /** The collection's description; undefined where there is no such collection. */
  description(collection: string): Promise<string | undefined>;
  createCollection(request: NewCollection): Promise<void>;
  hasIndex(collection: string, field: string): Promise<boolean>;
  createIndex(index: VectorIndex): Promise<void>;
  isLoaded(collection: string): Promise<boolean>;
  /** Asks for it to be loaded; `isLoaded` says when it is. */
  load(collection: string): Promise<void>;
  query(query: Query): Promise<readonly MilvusRow[]>;
  /** Each id once: of two in one call the server keeps the first and counts both. */
  upsert(collection: string, rows: readonly MilvusRow[], tenure?: Tenure): Promise<void>;
  /** The same for rows of the shape that we make, without the client's encoding. */
  readonly upsertEmbeddings: UpsertEmbeddings;
  remove(collection: string, ids: readonly string[], tenure?: Tenure): Promise<void>;
  /** A timestamp of the server, greater than those of all writes that it has confirmed; undefined where it gives none. */
  timestamp(): Promise<string | undefined>;
}

interface ConnectionParts {
  readonly where: string;
  readonly call: Calls;
  readonly wire: Wire;
  readonly logger: Logger;
}

const COLLECTION_NOT_FOUND = 100;
const INDEX_NOT_FOUND = 700;

/** The client under the rules of `call`. */
export function connectionOf(client: MilvusClient, parts: ConnectionParts): MilvusConnection {
  const { where, call, wire } = parts;
  /** Undefined where the server says that there is no such thing, with this number. */
  const unless = async <T extends object>(missing: number, name: string, work: () => Promise<T>) => {
    const answer = await call(name, async () => {
      const found = await work();
      return serverCodeOf(found) === missing ? { error_code: 'Success', missing } : found;
    });
    return 'missing' in answer ? undefined : (answer as T);
  };
  return {
    where,
    version: async () => (await call('GetVersion', () => client.getVersion(), { attempts: 1 })).version,
    health: async () => {
      const { isHealthy, reasons } = await call('CheckHealth', () => client.checkHealth());
      return { healthy: isHealthy, reasons };
    },
    description: async (collection) => {
      const ask = () => client.describeCollection({ collection_name: collection });
      return (await unless(COLLECTION_NOT_FOUND, 'DescribeCollection', ask))?.schema.description;
    },
    createCollection: async ({ collection, description, fields }) => {
      const request = { collection_name: collection, description, consistency_level: 'Bounded' };
      await call('CreateCollection', () => client.createCollection({ ...request, fields: [...fields] }));
    },
    hasIndex: async (collection, field) => {
      const ask = () => client.describeIndex({ collection_name: collection, field_name: field });
      return (await unless(INDEX_NOT_FOUND, 'DescribeIndex', ask)) !== undefined;
    },
    createIndex: async ({ collection, field, type, metric, parameters }) => {
      const request = {
        collection_name: collection,
        field_name: field,
        index_name: field,
        index_type: type,
        metric_type: metric,
        params: { ...parameters },
      };
      await call('CreateIndex', () => client.createIndex(request));
    },
    isLoaded: async (collection) => {
      const { state } = await call('GetLoadState', () =>
        client.getLoadState({ collection_name: collection }),
      );
      return state === 'LoadStateLoaded';
    },
    load: async (collection) => {
      await call('LoadCollection', () => client.loadCollectionAsync({ collection_name: collection }));
    },
    query: async (query) => (await call('Query', () => client.query(queryRequest(query)))).data,
    upsert: async (collection, rows, tenure) => {
      const request = { collection_name: collection, data: rows as RowData[] };
      const upsert = (timeout: number) => client.upsert({ ...request, timeout });
      await call('Upsert', async (ms) => counted('Upsert', await upsert(ms), rows.length), { tenure });
    },
    upsertEmbeddings: createUpsert({ client, ...parts }),
    remove: async (collection, ids, tenure) => {
      // Past the client: its `delete({ids})` does not escape, and its deadline begins when there is a channel.
      const request = { collection_name: collection, expr: idIn(ids) };
      const remove = async (ms: number) => (await wire.send('Delete', request, ms)) as Mutation;
      await call('Delete', async (ms) => counted('Delete', await remove(ms), ids.length), { tenure });
    },
    timestamp: async () => {
      try {
        const answer = await call('AllocTimestamp', (ms) => wire.send('AllocTimestamp', {}, ms));
        const { timestamp } = answer as { readonly timestamp?: unknown };
        return typeof timestamp === 'string' && timestamp !== '0' ? timestamp : undefined;
      } catch (error) {
        // A server, a proxy before it or a right may lack the call; whoever asked has another way.
        if (error instanceof ChangeoverError && !error.retryable) return undefined;
        throw error;
      }
    },
    close: async () => {
      await client.closeConnection();
    },
  };
}

function queryRequest({ collection, filter, fields, limit, offset, consistency = 'Strong' }: Query) {
  const level = typeof consistency === 'string' ? consistency : 'Customized';
  return {
    collection_name: collection,
    filter,
    output_fields: [...fields],
    // By its name: the number of Strong is 0, which some calls of the client take for not given.
    consistency_level: level as unknown as ConsistencyLevelEnum,
    ...(typeof consistency !== 'string' && { guarantee_timestamp: consistency.timestamp }),
    ...(limit !== undefined && { limit }),
    ...(offset !== undefined && { offset }),
  };
}
