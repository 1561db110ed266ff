import type { Change } from '../schemas/change.ts';
import type { Kind } from '../schemas/kinds.ts';
import { newestPerKey } from '../schemas/newest-per-key.ts';
import { type Outcome, type Sink, STALE } from './connector.ts';

/** Applies changes of one kind, each key at most once. Answers one outcome per change, in their order. */
export type ApplyDistinct = (kind: Kind, changes: readonly Change[]) => Promise<readonly Outcome[]>;

interface CoalescingSinkOptions {
  readonly kinds: readonly Kind[];
  readonly applyDistinct: ApplyDistinct;
  readonly close: () => Promise<void>;
}

/**
 * What all sinks have in common: parts a batch by kind, offers the store only the newest change of each key, and gives
 * every change of the batch its outcome. Kinds are applied in the order of `kinds`, so that in a graph agents come
 * before their relationships.
 */
export function coalescingSink({ kinds, applyDistinct, close }: CoalescingSinkOptions): Sink {
  return {
    kinds,
    close,
    async apply(changes) {
      const foreign = changes.find((change) => !kinds.includes(change.kind));
      if (foreign !== undefined) throw new Error(`This sink holds no ${foreign.kind}.`);
      const outcomes = new Map<Change, Outcome>();
      const winners = newestPerKey(changes);
      for (const kind of kinds) {
        const ofKind = winners.filter((change) => change.kind === kind);
        if (ofKind.length === 0) continue;
        const answers = await applyDistinct(kind, ofKind);
        if (answers.length !== ofKind.length)
          throw new Error(`${answers.length} outcomes for ${ofKind.length} changes.`);
        for (const [index, change] of ofKind.entries()) outcomes.set(change, answers[index] ?? STALE);
      }
      // What has no outcome of its own lost to a newer change of the same batch.
      return changes.map((change) => outcomes.get(change) ?? STALE);
    },
  };
}
