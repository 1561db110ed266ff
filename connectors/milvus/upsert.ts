import type { MilvusClient } from '@zilliz/milvus2-sdk-node';
import { ChangeoverError, type ErrorCode, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Tenure } from '../connector.ts';
import type { Calls } from './calls.ts';
import { counted, type Mutation } from './counted.ts';
import { EMBEDDING_FIELDS, type VersionedEmbedding } from './rows.ts';
import { embeddingsRequest } from './upsert-columns.ts';
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
 * Upserts embeddings in our own encoding, and in that of the client's types where ours does not serve: a collection that has more
 * columns than we make, or a server that refuses our bytes. What is refused is offered again in the other encoding:
 * where that is refused as well, the rows are at fault, and the error says so; where it is not, our encoding is, and
 * this process leaves it alone from then on.
 */
export function createUpsert({ client, wire, call, logger }: UpsertOptions): UpsertEmbeddings {
  let serves = true;
  let isProven = false;
  const leave = (collection: string, reason: string): void => {
    if (serves)
      logger.warn({ collection, reason }, 'Milvus is written in the encoding of its client, which is slower');
    serves = false;
  };
  return async (collection, embeddings, tenure) => {
    const mutate = (send: (withinMs: number) => Promise<object>) =>
      call('Upsert', async (ms) => counted('Upsert', (await send(ms)) as Mutation, embeddings.length), {
        tenure,
      });
    const schema = serves ? await knownSchema(collection, tenure) : undefined;
    let refusal: ChangeoverError | undefined;
    if (schema !== undefined) {
      const { dimension, timestamp } = schema;
      const bytes = encodeUpsert({ collection, dimension, schemaTimestamp: timestamp, embeddings });
      try {
        await mutate((ms) => wire.sendBytes('Upsert', bytes, ms));
        return;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        refusal = error;
      }
    }
    const request = embeddingsRequest(collection, embeddings);
    await mutate((ms) => wire.send('Upsert', request, ms));
    if (refusal === undefined) return;
    // This one names no schema, so it is taken also where it was that which had changed.
    const { timestamp } = await described(collection, { cache: false, tenure });
    if (timestamp === schema?.timestamp) leave(collection, messageOf(refusal));
  };

  /** Undefined where the other encoding is to be used. */
  async function knownSchema(
    collection: string,
    tenure: Tenure | undefined,
  ): Promise<KnownSchema | undefined> {
    const { fields, isDynamic, ...schema } = await described(collection, { cache: true, tenure });
    for (const [name, type] of Object.entries(TYPES)) {
      const field = fields.find((each) => each.name === name);
      if (field?.dataType !== type || !isPlain(field)) throw notOurs(collection, name);
    }
    const asMade = !isDynamic && EMBEDDING_FIELDS.every((name, place) => fields[place]?.name === name);
    if (!asMade || fields.length !== EMBEDDING_FIELDS.length) {
      leave(collection, 'its fields are not those that Changeover makes');
    } else if (proven()) return schema;
    else leave(collection, 'its client encodes an upsert otherwise than Changeover');
    return undefined;
  }

  async function described(
    collection: string,
    { cache, tenure }: { readonly cache: boolean; readonly tenure: Tenure | undefined },
  ) {
    const ask = (timeout: number) =>
      client.describeCollection({ collection_name: collection, cache, timeout });
    const { schema, update_timestamp, update_timestamp_str } = await call('DescribeCollection', ask, {
      tenure,
    });
    const { fields, enable_dynamic_field } = schema;
    return {
      fields,
      isDynamic: enable_dynamic_field === true,
      dimension: Number(fields.find(({ name }) => name === 'vector')?.dim),
      timestamp: BigInt(update_timestamp_str || update_timestamp || 0),
    };
  }

  /**
   * Once in a process, before anything is sent: 2.3 takes a request with a column in the wrong place into its log, and
   * dies of it, again at each start.
   */
  function proven(): boolean {
    const { bytes, request } = upsertSample();
    isProven ||= wire.says('Upsert', bytes, request);
    return isProven;
  }
}

/** In neither encoding: a server may take a column that is not of its type, and die of it later. */
function notOurs(collection: string, field: string): ChangeoverError {
  return new ChangeoverError(
    'mismatch',
    `Collection ${collection} of Milvus has another field ${field} than Changeover makes.`,
    {
      hint: 'Name another collection, or drop this one and let the store be prepared again.',
    },
  );
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
