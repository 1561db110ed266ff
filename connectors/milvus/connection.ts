import type { ConsistencyLevelEnum, FieldType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { ChangeoverError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Closable } from '../../core/service.ts';
import type { Tenure } from '../connector.ts';
import type { Calls } from './calls.ts';
import { counted, type Mutation } from './counted.ts';
import { serverCodeOf } from './errors.ts';
import { idIn } from './filter.ts';
import type { MilvusRow, Tombstone } from './rows.ts';
import { createUpsert, type UpsertEmbeddings } from './upsert.ts';
import { tombstonesRequest } from './upsert-columns.ts';
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
 * What we use of Milvus; every call has a deadline, its status is looked at, and everything thrown is ours. A call with a
 * tenure is tried once and has ended with it. Nothing is written by the client's own methods (wire.ts).
 */
export interface MilvusConnection extends Closable {
  readonly where: string;
  version(): Promise<string>;
  health(): Promise<Health>;
  /** The collection's description; undefined where there is no such collection. */
  description(collection: string, tenure?: Tenure): Promise<string | undefined>;
  createCollection(request: NewCollection, tenure?: Tenure): Promise<void>;
  hasIndex(collection: string, field: string, tenure?: Tenure): Promise<boolean>;
  createIndex(index: VectorIndex, tenure?: Tenure): Promise<void>;
  isLoaded(collection: string, tenure?: Tenure): Promise<boolean>;
  /** Asks for it to be loaded; `isLoaded` says when it is. */
  load(collection: string, tenure?: Tenure): Promise<void>;
  query(query: Query, tenure?: Tenure): Promise<readonly MilvusRow[]>;
  /** Each id once, here and below: of two in one call the server keeps the first and counts both. */
  upsertTombstones(collection: string, tombstones: readonly Tombstone[], tenure?: Tenure): Promise<void>;
  readonly upsertEmbeddings: UpsertEmbeddings;
  remove(collection: string, ids: readonly string[], tenure?: Tenure): Promise<void>;
  /** A timestamp of the server, greater than those of all writes that it has confirmed; undefined where it gives none. */
  timestamp(tenure?: Tenure): Promise<string | undefined>;
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
  const unless = async <T extends object>(
    missing: number,
    name: string,
    work: (timeout: number) => Promise<T>,
    tenure: Tenure | undefined,
  ) => {
    const ask = async (timeout: number) => {
      const found = await work(timeout);
      return serverCodeOf(found) === missing ? { error_code: 'Success', missing } : found;
    };
    const answer = await call(name, ask, { tenure });
    return 'missing' in answer ? undefined : (answer as T);
  };
  const write = async (
    method: 'Upsert' | 'Delete',
    request: object,
    rows: number,
    tenure: Tenure | undefined,
  ) => {
    const send = async (ms: number) => (await wire.send(method, request, ms)) as Mutation;
    await call(method, async (ms) => counted(method, await send(ms), rows), { tenure });
  };
  return {
    where,
    version: async () => (await call('GetVersion', () => client.getVersion(), { attempts: 1 })).version,
    health: async () => {
      const { isHealthy, reasons } = await call('CheckHealth', () => client.checkHealth());
      return { healthy: isHealthy, reasons };
    },
    description: async (collection, tenure) => {
      const ask = (timeout: number) => client.describeCollection({ collection_name: collection, timeout });
      return (await unless(COLLECTION_NOT_FOUND, 'DescribeCollection', ask, tenure))?.schema.description;
    },
    createCollection: async ({ collection, description, fields }, tenure) => {
      const request = { collection_name: collection, description, consistency_level: 'Bounded' };
      const create = (timeout: number) =>
        client.createCollection({ ...request, fields: [...fields], timeout });
      await call('CreateCollection', create, { tenure });
    },
    hasIndex: async (collection, field, tenure) => {
      const request = { collection_name: collection, field_name: field };
      const ask = (timeout: number) => client.describeIndex({ ...request, timeout });
      return (await unless(INDEX_NOT_FOUND, 'DescribeIndex', ask, tenure)) !== undefined;
    },
    createIndex: async ({ collection, field, type, metric, parameters }, tenure) => {
      const request = {
        collection_name: collection,
        field_name: field,
        index_name: field,
        index_type: type,
        metric_type: metric,
        params: { ...parameters },
      };
      await call('CreateIndex', (timeout) => client.createIndex({ ...request, timeout }), { tenure });
    },
    isLoaded: async (collection, tenure) => {
      const ask = (timeout: number) => client.getLoadState({ collection_name: collection, timeout });
      return (await call('GetLoadState', ask, { tenure })).state === 'LoadStateLoaded';
    },
    load: async (collection, tenure) => {
      const load = (timeout: number) => client.loadCollectionAsync({ collection_name: collection, timeout });
      await call('LoadCollection', load, { tenure });
    },
    query: async (query, tenure) => {
      const ask = (timeout: number) => client.query({ ...queryRequest(query), timeout });
      return (await call('Query', ask, { tenure })).data;
    },
    upsertTombstones: (collection, tombstones, tenure) =>
      write('Upsert', tombstonesRequest(collection, tombstones), tombstones.length, tenure),
    upsertEmbeddings: createUpsert({ client, ...parts }),
    // The client's `delete({ids})` does not escape.
    remove: (collection, ids, tenure) =>
      write('Delete', { collection_name: collection, expr: idIn(ids) }, ids.length, tenure),
    timestamp: async (tenure) => {
      try {
        const ask = (ms: number) => wire.send('AllocTimestamp', {}, ms);
        const answer = await call('AllocTimestamp', ask, { tenure });
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
