import type { VersionedEmbedding } from './rows.ts';
import { embeddingsRequest } from './upsert-columns.ts';
import { encodeUpsert } from './upsert-request.ts';

const FLOATS = [0.5, -2];
const METADATA = { mood: 'é' };
const [TIMESTAMP, DIMENSION] = [2n ** 58n + 300n, FLOATS.length];
const SPACE = { model: 'm', revision: '', metric: 'l2', normalised: false } as const;

/** Two rows in our encoding, and the same as an object of the client's types. */
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
  const bytes = encodeUpsert({
    collection: 'sample',
    dimension: DIMENSION,
    schemaTimestamp: TIMESTAMP,
    embeddings,
  });
  const request = embeddingsRequest('sample', embeddings);
  return { bytes, request: { ...request, schema_timestamp: TIMESTAMP.toString() } };
}
