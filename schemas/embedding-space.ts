import type { Embedding, Metric } from './change.ts';

/** What makes vectors comparable with each other. Part of the data: one collection holds one space. */
export interface EmbeddingSpace {
  readonly model: string;
  readonly revision: string;
  readonly metric: Metric;
  readonly normalised: boolean;
  readonly dimension: number;
}

export function spaceOf({ space, dimension }: Embedding): EmbeddingSpace {
  const { model, revision, metric, normalised } = space;
  return { model, revision, metric, normalised, dimension };
}

/** Why an embedding does not belong into a collection of that space, or undefined when it does. */
export function spaceFault(embedding: Embedding, held: EmbeddingSpace): string | undefined {
  const different = spaceDifference(spaceOf(embedding), held);
  return different && `it is of another embedding space than the collection: ${different}`;
}

/** In words, what one space has otherwise than another; undefined when they are the same. */
export function spaceDifference(offered: EmbeddingSpace, held: EmbeddingSpace): string | undefined {
  const names = Object.keys(offered) as (keyof EmbeddingSpace)[];
  const different = names.filter((name) => offered[name] !== held[name]);
  if (different.length === 0) return undefined;
  return different.map((name) => `${name} ${show(offered[name])} instead of ${show(held[name])}`).join(', ');
}

const show = (value: string | number | boolean): string => JSON.stringify(value);
