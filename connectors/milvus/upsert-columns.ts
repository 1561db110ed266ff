import type { Tombstone } from './rows.ts';
import { floatsOf, metadataJson, type VersionedEmbedding } from './rows.ts';
import { DATA_TYPES } from './upsert-request.ts';

/**
 * `milvus.proto.milvus.UpsertRequest` as an object that the client's own types encode (wire.ts): for tombstones, and for embeddings where our
 * encoding does not serve. Not the client's `upsert`: that asks for the schema and waits for a channel first, and its deadline begins after
 * that, so it could begin to write when the keys are others' already.
 *
 * It names the columns that we have and no others: what else a collection has, its server fills.
 */
export function embeddingsRequest(collection: string, embeddings: readonly VersionedEmbedding[]): object {
  const all = embeddings.map(({ embedding }) => embedding);
  return requestOf(collection, embeddings.length, [
    scalars(
      'id',
      'VarChar',
      all.map(({ id }) => id),
    ),
    scalars(
      'agent_id',
      'VarChar',
      all.map(({ agentId }) => agentId),
    ),
    vectors(
      'vector',
      all[0]?.dimension ?? 0,
      all.flatMap(({ vector }) => floatsOf(vector)),
    ),
    scalars(
      'version',
      'Int64',
      embeddings.map(({ version }) => version),
    ),
    scalars(
      'metadata',
      'JSON',
      all.map(({ metadata }) => Buffer.from(metadataJson(metadata))),
    ),
  ]);
}

export function tombstonesRequest(collection: string, tombstones: readonly Tombstone[]): object {
  return requestOf(collection, tombstones.length, [
    scalars(
      'id',
      'VarChar',
      tombstones.map(({ id }) => id),
    ),
    scalars(
      'version',
      'Int64',
      tombstones.map(({ version }) => version),
    ),
    vectors(
      'unused',
      UNUSED.length,
      tombstones.flatMap(() => UNUSED),
    ),
  ]);
}

const UNUSED = [0, 0];
const LISTS = { VarChar: 'string_data', Int64: 'long_data', JSON: 'json_data' } as const;

function requestOf(collection: string, rows: number, columns: readonly object[]): object {
  return { collection_name: collection, fields_data: columns, num_rows: rows };
}

function scalars(name: string, type: keyof typeof LISTS, data: readonly unknown[]): object {
  return { type: DATA_TYPES[type], field_name: name, scalars: { [LISTS[type]]: { data } } };
}

function vectors(name: string, dim: number, data: readonly number[]): object {
  return { type: DATA_TYPES.FloatVector, field_name: name, vectors: { dim, float_vector: { data } } };
}
