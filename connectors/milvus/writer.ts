import type { Tenure } from '../connector.ts';
import type { MilvusConnection } from './connection.ts';
import type { Tombstone, VersionedEmbedding } from './rows.ts';
import type { FoundCollections } from './schema.ts';
import { filterParts } from './versions.ts';

/** Writes what the guard has let pass; no write lasts longer than the tenure. */
export interface EmbeddingWriter {
  /** At most some thousands, each id once, all of the collection's space. */
  upsert(embeddings: readonly VersionedEmbedding[], tenure?: Tenure): Promise<void>;
  bury(tombstones: readonly Tombstone[], tenure?: Tenure): Promise<void>;
  /** Deletes rows; their tombstones must stand already. */
  remove(ids: readonly string[], tenure?: Tenure): Promise<void>;
}

export function createWriter(connection: MilvusConnection, collections: FoundCollections): EmbeddingWriter {
  return {
    upsert: (embeddings, tenure) => connection.upsertEmbeddings(collections.embeddings, embeddings, tenure),
    bury: (tombstones, tenure) => connection.upsertTombstones(collections.tombstones, tombstones, tenure),
    async remove(ids, tenure) {
      for (const part of filterParts(ids)) await connection.remove(collections.embeddings, part, tenure);
    },
  };
}
