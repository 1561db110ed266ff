import type { MilvusClient, RowData } from '@zilliz/milvus2-sdk-node';
import { ChangeoverError, type ErrorCode, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Tenure } from '../connector.ts';
import type { Calls } from './calls.ts';
import { counted, type Mutation } from './counted.ts';
import { EMBEDDING_FIELDS, embeddingRow, type VersionedEmbedding } from './rows.ts';
import { DATA_TYPES, encodeUpsert } from './upsert-request.ts';
import { upsertSample } from './upsert-sample.ts';
import type { Wire } from './wire.ts';

interface UpsertOptions {
  readonly client: MilvusClient;
  readonly wire: Wire;
  readonly call: Calls;
  readonly logger: Logger;
}

export type UpsertEmbeddings = (
  collection: string,
  embeddings: readonly VersionedEmbedding[],
  tenure?: Tenure,
) => Promise<void>;

/** What our encoding must know of a collection. */
interface KnownSchema {
  readonly dimension: number;
  readonly timestamp: bigint;
}

const TYPES: Readonly<Record<(typeof EMBEDDING_FIELDS)[number], number>> = {
  id: DATA_TYPES.VarChar,
  agent_id: DATA_TYPES.VarChar,
  vector: DATA_TYPES.FloatVector,
  version: DATA_TYPES.Int64,
  metadata: DATA_TYPES.JSON,
};

/**
 * Upserts embeddings in our own encoding, and by the client where that does not serve: a collection that has become
 * another one than we make, or a server that refuses our bytes. What is refused is offered again through the client:
 * where that is refused as well, the rows are at fault, and the error says so; where it is not, our encoding is, and
 * this process leaves it alone from then on.
 */
export function createUpsert({ client, wire, call, logger }: UpsertOptions): UpsertEmbeddings {
  let serves = true;
  let isProven = false;
  const leave = (collection: string, reason: string): void => {
    if (serves) logger.warn({ collection, reason }, 'Milvus is written through its client, which is slower');
    serves = false;
  };
  return async (collection, embeddings, tenure) => {
    const mutate = (write: (withinMs: number) => Promise<Mutation>) =>
      call('Upsert', async (ms) => counted('Upsert', await write(ms), embeddings.length), { tenure });
    const schema = serves ? await knownSchema(collection) : undefined;
    let refusal: ChangeoverError | undefined;
    if (schema !== undefined) {
      const { dimension, timestamp } = schema;
      const bytes = encodeUpsert({ collection, dimension, schemaTimestamp: timestamp, embeddings });
      try {
        await mutate(async (ms) => (await wire.sendBytes('Upsert', bytes, ms)) as Mutation);
        return;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        refusal = error;
      }
    }
    const data = embeddings.map(embeddingRow) as RowData[];
    await mutate((timeout) => client.upsert({ collection_name: collection, data, timeout }));
    if (refusal === undefined) return;
    // The client has looked at the schema again, where it was that which had changed.
    const now = await knownSchema(collection);
    if (now === undefined || now.timestamp === schema?.timestamp) leave(collection, messageOf(refusal));
  };

  /** Undefined where the client is to be used: it goes by what the server says that the collection has. */
  async function knownSchema(collection: string): Promise<KnownSchema | undefined> {
    // From the client's cache, which its own upsert renews when the server says that the schema is another one.
    const ask = () => client.describeCollection({ collection_name: collection, cache: true });
    const { schema, update_timestamp, update_timestamp_str } = await call('DescribeCollection', ask);
    const { fields, enable_dynamic_field } = schema;
    const dimension = Number(fields.find(({ name }) => name === 'vector')?.dim);
    const asMade =
      enable_dynamic_field !== true &&
      fields.length === EMBEDDING_FIELDS.length &&
      EMBEDDING_FIELDS.every((name, place) => {
        const field = fields[place];
        return field?.name === name && field.dataType === TYPES[name] && isPlain(field);
      });
    if (!asMade) leave(collection, 'its fields are not those that Changeover makes');
    else if (await proven())
      return { dimension, timestamp: BigInt(update_timestamp_str || update_timestamp || 0) };
    else leave(collection, 'its client encodes an upsert otherwise than Changeover');
    return undefined;
  }

  /**
   * Once in a process, before anything is sent: 2.3 takes a request with a column in the wrong place into its log, and
   * dies of it, again at each start.
   */
  async function proven(): Promise<boolean> {
    const { bytes, request } = upsertSample();
    isProven ||= await wire.says('Upsert', bytes, request).catch(() => false);
    return isProven;
  }
}

interface DescribedField {
  readonly nullable?: boolean;
  readonly autoID?: boolean;
  readonly is_function_output?: boolean;
  readonly default_value?: unknown;
}

function isPlain({ nullable, autoID, is_function_output, default_value }: DescribedField): boolean {
  const computed = nullable === true || autoID === true || is_function_output === true;
  return !computed && (default_value === null || default_value === undefined);
}

/** What may be the fault of how the rows were written; of `internal` and `unreachable` only what their words say. */
const REFUSALS: readonly ErrorCode[] = ['change-rejected', 'unsupported', 'internal'];

function isRefusal(error: unknown): error is ChangeoverError {
  if (!(error instanceof ChangeoverError)) return false;
  return (REFUSALS.includes(error.code) && !error.retryable) || /unmarshal|\bproto:/i.test(error.message);
}
