import { isNegativeZero, toJson } from '../../core/json.ts';
import type { Embedding, Scalars } from '../../schemas/change.ts';
import type { EmbeddingSpace } from '../../schemas/embedding-space.ts';

/** Embeddings to what Milvus holds and back, to the last bit. */

/** A row as the client gives it: int64 comes as text, vectors as arrays of doubles that are exact floats. */
export type MilvusRow = Readonly<Record<string, unknown>>;

export const EMBEDDING_FIELDS = ['id', 'agent_id', 'vector', 'version', 'metadata'] as const;
export const VERSION_FIELDS = ['id', 'version'] as const;

export const FLOAT_BYTES = 4;

export interface VersionedEmbedding {
  readonly version: number;
  readonly embedding: Embedding;
}

export interface Tombstone {
  readonly id: string;
  readonly version: number;
}

export function versionOf(row: MilvusRow): number {
  return Number(row.version);
}

export function embeddingOf(row: MilvusRow, { dimension, ...space }: EmbeddingSpace): Embedding {
  return {
    id: row.id as string,
    agentId: row.agent_id as string,
    vector: bytesOf(row.vector as readonly number[]),
    dimension,
    space,
    metadata: row.metadata as Scalars,
  };
}

/** −0 included. The short way where there is none, because the other costs three times as much. */
export function metadataJson(metadata: Scalars): string {
  return Object.values(metadata).some(isNegativeZero) ? toJson(metadata) : JSON.stringify(metadata);
}

/** A loop over a view: the bytes stand at any offset, and an iterator would make an object of each float. */
export function floatsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const floats = new Array<number>(bytes.byteLength / 4);
  for (let index = 0; index < floats.length; index++) floats[index] = view.getFloat32(index * 4, true);
  return floats;
}

function bytesOf(floats: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(floats).buffer);
}
