import { isRecord, tryParseJson } from '../../core/json.ts';
import type { Embedding, Metric } from '../../schemas/change.ts';
import type { StoreContext } from '../connector.ts';

/** What makes the vectors of one collection comparable. Part of the data: one collection holds one. */
export interface CollectionSpace {
  readonly model: string;
  readonly revision: string;
  readonly metric: Metric;
  readonly normalised: boolean;
  readonly dimension: number;
}

export type Owner = Pick<StoreContext, 'name' | 'role'>;

/** What a collection's description says: whose it is, and of which space. It cannot be changed once it is made. */
export interface CollectionMark {
  readonly owner: Owner;
  /** Undefined for the collection of tombstones. */
  readonly space: CollectionSpace | undefined;
}

const FORMAT = 1;

export function markText({ owner, space }: CollectionMark): string {
  return JSON.stringify({ changeover: FORMAT, role: owner.role, name: owner.name, space });
}

/** Undefined for a description that is not ours. */
export function parseMark(description: string): CollectionMark | undefined {
  const mark = tryParseJson(description);
  if (!isRecord(mark) || mark.changeover !== FORMAT) return undefined;
  const { role, name, space } = mark;
  if ((role !== 'legacy' && role !== 'target') || typeof name !== 'string') return undefined;
  return {
    owner: { role, name },
    space: isRecord(space) ? (space as unknown as CollectionSpace) : undefined,
  };
}

export function spaceOf({ space, dimension }: Embedding): CollectionSpace {
  const { model, revision, metric, normalised } = space;
  return { model, revision, metric, normalised, dimension };
}

/** Why an embedding does not belong into a collection of that space, or undefined when it does. */
export function spaceFault(embedding: Embedding, held: CollectionSpace): string | undefined {
  const different = spaceDifference(spaceOf(embedding), held);
  return different && `it is of another embedding space than the collection: ${different}`;
}

/** In words, what one space has otherwise than another; undefined when they are the same. */
export function spaceDifference(offered: CollectionSpace, held: CollectionSpace): string | undefined {
  const names = Object.keys(offered) as (keyof CollectionSpace)[];
  const different = names.filter((name) => offered[name] !== held[name]);
  if (different.length === 0) return undefined;
  return different.map((name) => `${name} ${show(offered[name])} instead of ${show(held[name])}`).join(', ');
}

const show = (value: string | number | boolean): string => JSON.stringify(value);
