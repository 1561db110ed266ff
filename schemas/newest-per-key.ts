import type { Change } from './change.ts';

/**
 * The change of each key that wins within a batch of one kind, in the order in which the keys were first met. Of two with the same
 * version (a redelivery) the first stays. Needed before a store is asked: Postgres refuses to touch a row twice in
 * one statement, Milvus leaves the order undefined.
 */
export function newestPerKey(changes: readonly Change[]): readonly Change[] {
  const winners = new Map<string, Change>();
  for (const change of changes) {
    const winner = winners.get(change.key);
    if (winner === undefined || change.version > winner.version) winners.set(change.key, change);
  }
  return winners.size === changes.length ? changes : [...winners.values()];
}
