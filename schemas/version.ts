import type { EntityOf } from './change.ts';
import type { Kind } from './kinds.ts';

/**
 * Who wins.
 *
 *   A store applies a change if and only if its version is greater than the version that it holds for that key.
 *
 * So the state of a key is the change with the greatest version among those seen: a join, which is commutative,
 * associative and idempotent. Any order, any repetition, any batching gives the same state. (The construction is the
 * last-writer-wins register of Shapiro et al., A comprehensive study of CRDTs, 2011, with versions that the origin
 * makes unique per key.)
 */
export function isNewer(version: number, held: number | null | undefined): boolean {
  return held === null || held === undefined || version > held;
}

/** What a store knows of one key: the state as of a version, or a tombstone (`entity` null). */
export interface Held<K extends Kind> {
  /** Null where no captured write and no backfill has given it a version yet. */
  readonly version: number | null;
  readonly entity: EntityOf[K] | null;
}

interface Statement<K extends Kind> {
  readonly version: number;
  readonly after: EntityOf[K] | null;
}

/** The guard as a function: what a store holds after it was offered a change. */
export function join<K extends Kind>(held: Held<K> | undefined, change: Statement<K>): Held<K> {
  if (held !== undefined && !isNewer(change.version, held.version)) return held;
  return { version: change.version, entity: change.after };
}

/** The version of a write: strictly greater than the key's last, and never behind the origin's clock. */
export function nextVersion(previous: number | null | undefined, nowUs: number): number {
  return Math.max((previous ?? 0) + 1, nowUs);
}

/**
 * Versions below this are generations of backfill runs, versions from here on are clock readings in microseconds
 * (this one is in January 1970), so a captured write always wins over a backfilled state.
 */
export const FIRST_CAPTURED_VERSION = 1_000_000_000;

export function isVersion(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
