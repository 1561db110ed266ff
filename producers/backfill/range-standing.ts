import type { ScanKey } from '../../schemas/keys.ts';
import { compareScanKeys, type ScanRange } from '../../schemas/scan-order.ts';
import type { RangeFact } from './facts.ts';

/**
 * How far a range has come, by all that was said of it. "All up to here is in the log" stays true whoever said it and whatever
 * others say later, so the furthest of them counts, and one that says that all of it is done counts for good. That the rest
 * cannot be read is what one attempt found; another that comes further has found otherwise.
 */
export function standingOf(range: ScanRange, said: readonly RangeFact[]): RangeFact | undefined {
  const ours = said.filter((fact) => isSameRange(fact.range, range));
  const done = ours.find(({ status }) => status === 'done');
  if (done !== undefined) return done;
  return ours.toSorted((one, other) => compareProgress(other, one))[0];
}

/** Whether there is nothing left to do in this attempt. */
export function isSettled(fact: RangeFact | undefined, attempt: number): boolean {
  if (fact === undefined) return false;
  return fact.status === 'done' || (fact.status === 'hole' && fact.attempt === attempt);
}

export function isSameRange(one: ScanRange, other: ScanRange): boolean {
  return JSON.stringify([one.after, one.until]) === JSON.stringify([other.after, other.until]);
}

function compareProgress(one: RangeFact, other: RangeFact): number {
  const byPlace = comparePlaces(one.last, other.last);
  if (byPlace !== 0) return byPlace;
  const asHole = Number(one.status === 'hole') - Number(other.status === 'hole');
  return asHole === 0 ? one.attempt - other.attempt : asHole;
}

function comparePlaces(one: ScanKey | null, other: ScanKey | null): number {
  if (one === null || other === null) return Number(one !== null) - Number(other !== null);
  return compareScanKeys(one, other);
}
