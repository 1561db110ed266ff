import type { VersionedEmbedding } from './rows.ts';
import { DATA_TYPES, encodeUpsert } from './upsert-request.ts';

const FLOATS = [0.5, -2];
const METADATA = { mood: 'é' };
const [TIMESTAMP, DIMENSION] = [2n ** 58n + 300n, FLOATS.length];
const SPACE = { model: 'm', revision: '', metric: 'l2', normalised: false } as const;

/** Two rows in our encoding, and the same as the client's types name it. */
export function upsertSample(): { readonly bytes: Buffer; readonly request: object } {
  const vector = new Uint8Array(Float32Array.from(FLOATS).buffer);
  const rows = [
    { id: 'a', agentId: 'x', version: 300 },
    { id: 'ü', agentId: '', version: Number.MAX_SAFE_INTEGER },
  ];
  const embeddings = rows.map(({ id, agentId, version }): VersionedEmbedding => {
    const embedding = { id, agentId, vector, dimension: DIMENSION, space: SPACE, metadata: METADATA };
    return { version, embedding };
  });
  const json = Buffer.from(JSON.stringify(METADATA));
  const scalar = (name: string, type: number, list: string, data: readonly unknown[]) => ({
    type,
    field_name: name,
    scalars: { [list]: { data } },
  });
  const { VarChar, FloatVector, Int64, JSON: Json } = DATA_TYPES;
  const request = {
    collection_name: 'sample',
    fields_data: [
      scalar(
        'id',
        VarChar,
        'string_data',
        rows.map((row) => row.id),
      ),
      scalar(
        'agent_id',
        VarChar,
        'string_data',
        rows.map((row) => row.agentId),
      ),
      {
        type: FloatVector,
        field_name: 'vector',
        vectors: { dim: DIMENSION, float_vector: { data: [...FLOATS, ...FLOATS] } },
      },
      scalar(
        'version',
        Int64,
        'long_data',
        rows.map((row) => row.version),
      ),
      scalar('metadata', Json, 'json_data', [json, json]),
    ],
    num_rows: rows.length,
    schema_timestamp: TIMESTAMP.toString(),
  };
  const bytes = encodeUpsert({
    collection: 'sample',
    dimension: DIMENSION,
    schemaTimestamp: TIMESTAMP,
    embeddings,
  });
  return { bytes, request };
}
