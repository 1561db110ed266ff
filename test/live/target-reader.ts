import type { Kind } from '../../schemas/kinds.ts';
import type { HeldState } from './evidence.ts';

/** A target store as somebody else's client sees it: nothing of the product's own code is between. */
export interface TargetReader {
  readonly name: string;
  readonly kinds: readonly Kind[];
  /** By `placeOf`, tombstones too. */
  states(): Promise<ReadonlyMap<string, HeldState>>;
  /** What is known of these keys now; null for one of which nothing is. */
  versions(kind: Kind, keys: readonly string[]): Promise<readonly (number | null)[]>;
  close(): Promise<void>;
}

/** The greater of two versions of which either may not be there. */
export function greater(left: number | null | undefined, right: number | null | undefined): number | null {
  return Math.max(left ?? 0, right ?? 0) || null;
}
