import type { MilvusConnection } from './connection.ts';
import { tombstoneRow, type VersionedEmbedding } from './rows.ts';
import type { FoundCollections } from './schema.ts';
import { filterParts } from './versions.ts';

export interface Tombstone {
  readonly id: string;
  readonly version: number;
}

/** Writes what the guard has let pass. */
export interface EmbeddingWriter {
  /** At most some thousands, each id once, all of the collection's space. */
  upsert(embeddings: readonly VersionedEmbedding[]): Promise<void>;
  bury(tombstones: readonly Tombstone[]): Promise<void>;
  /** Deletes rows; their tombstones must stand already. */
  remove(ids: readonly string[]): Promise<void>;
}

export function createWriter(connection: MilvusConnection, collections: FoundCollections): EmbeddingWriter {
  return {
    upsert: (embeddings) => connection.upsertEmbeddings(collections.embeddings, embeddings),
    bury: (tombstones) =>
      connection.upsert(
        collections.tombstones,
        tombstones.map(({ id, version }) => tombstoneRow(id, version)),
      ),
    async remove(ids) {
      for (const part of filterParts(ids)) await connection.remove(collections.embeddings, part);
    },
  };
}
