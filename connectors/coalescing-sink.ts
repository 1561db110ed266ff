import type { Change } from '../schemas/change.ts';
import { changeFault } from '../schemas/change-fault.ts';
import type { Kind } from '../schemas/kinds.ts';
import { newestPerKey } from '../schemas/newest-per-key.ts';
import { type Outcome, rejected, type Sink, STALE, type Tenure } from './connector.ts';

/** Applies sound changes of one kind, each key at most once. Answers one outcome per change, in their order. */
export type ApplyDistinct = (
  kind: Kind,
  changes: readonly Change[],
  tenure?: Tenure,
) => Promise<readonly Outcome[]>;

interface CoalescingSinkOptions {
  readonly kinds: readonly Kind[];
  readonly applyDistinct: ApplyDistinct;
  readonly close: () => Promise<void>;
}

/**
 * What all sinks have in common: refuses what no store may hold, parts a batch by kind, offers the store only the newest
 * change of each key, and gives every change of the batch its outcome. Kinds are applied in the order of `kinds`, so that
 * in a graph agents come before their relationships.
 */
export function coalescingSink({ kinds, applyDistinct, close }: CoalescingSinkOptions): Sink {
  return {
    kinds,
    close,
    async apply(changes, tenure) {
      const foreign = changes.find((change) => !kinds.includes(change.kind));
      if (foreign !== undefined) throw new Error(`This sink holds no ${foreign.kind}.`);
      const outcomes = new Map<Change, Outcome>();
      const sound: Change[] = [];
      for (const change of changes) {
        const fault = changeFault(change);
        if (fault === undefined) sound.push(change);
        else outcomes.set(change, rejected(fault));
      }
      for (const kind of kinds) {
        const ofKind = kinds.length === 1 ? sound : sound.filter((change) => change.kind === kind);
        await applyNewest((distinct) => applyDistinct(kind, distinct, tenure), ofKind, outcomes);
      }
      // What has no outcome of its own lost to a newer change of the same batch.
      return changes.map((change) => outcomes.get(change) ?? STALE);
    },
  };
}

/**
 * Offers the newest change of each key. Where the store refuses it, the next older one has not lost to it: it is offered
 * then, so that what a store holds in the end does not depend on what came in one batch.
 */
async function applyNewest(
  apply: (distinct: readonly Change[]) => Promise<readonly Outcome[]>,
  changes: readonly Change[],
  outcomes: Map<Change, Outcome>,
): Promise<void> {
  for (let left = changes; left.length > 0; ) {
    const winners = newestPerKey(left);
    const answers = await apply(winners);
    if (answers.length !== winners.length)
      throw new Error(`${answers.length} outcomes for ${winners.length} changes.`);
    const refused = new Set<string>();
    for (const [index, change] of winners.entries()) {
      const outcome = answers[index] ?? STALE;
      outcomes.set(change, outcome);
      if (outcome.status === 'rejected') refused.add(change.key);
    }
    left =
      refused.size === 0 ? [] : left.filter((change) => refused.has(change.key) && !outcomes.has(change));
  }
}
