import { compareCodePoints } from '../core/text.ts';
import type { ScanKey } from './keys.ts';

/** Compares two places of one kind, part by part; a tuple that is the start of another comes first. */
export function compareScanKeys(left: ScanKey, right: ScanKey): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const order = compareParts(left[index] ?? '', right[index] ?? '');
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function compareParts(left: string | number, right: string | number): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  return compareCodePoints(String(left), String(right));
}

/** A stretch of a kind's scan order: `after` is left out, `until` belongs to it, null is open. */
export interface ScanRange {
  readonly after: ScanKey | null;
  readonly until: ScanKey | null;
}

export const WHOLE_RANGE: ScanRange = { after: null, until: null };

export function isInRange(place: ScanKey, range: ScanRange): boolean {
  if (range.after !== null && compareScanKeys(place, range.after) <= 0) return false;
  return range.until === null || compareScanKeys(place, range.until) <= 0;
}

/** Ranges that cover the whole order, parted at the given places (in order, each the last of its range). */
export function rangesBetween(boundaries: readonly ScanKey[]): readonly ScanRange[] {
  const ends: readonly (ScanKey | null)[] = [...boundaries, null];
  return ends.map((until, index) => ({ after: index === 0 ? null : (boundaries[index - 1] ?? null), until }));
}
