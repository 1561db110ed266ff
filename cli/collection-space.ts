import type { MilvusOptions } from '../connectors/milvus/options.ts';
import type { EmbeddingSpace } from '../schemas/embedding-space.ts';
import type { Config } from './config.ts';
import type { Routes } from './routes.ts';

/** The space of the collection that embeddings go to, where the configuration names it. */
export function collectionSpace(config: Config, { followers }: Routes): EmbeddingSpace | undefined {
  if (!followers.get('milvus')?.includes('embedding')) return undefined;
  const { model, revision, dimension, metric, normalised } = config.target.milvus as MilvusOptions;
  if (model === undefined || dimension === undefined) return undefined;
  return { model, revision, dimension, metric, normalised };
}
