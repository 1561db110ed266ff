import { coalescingSink } from '../../connectors/coalescing-sink.ts';
import { APPLIED, type Outcome, rejected, type Sink, STALE } from '../../connectors/connector.ts';
import { isRetryable } from '../../core/errors.ts';
import type { Change } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { isNewer } from '../../schemas/version.ts';
import { identify } from '../support/changes.ts';
import { type Follower, type Handover, type HeldState, StateWatch } from './follower.ts';
import { contentOf, type History, sortOf } from './history.ts';
import type { Life } from './life.ts';
import { LOG_KINDS } from './origin.ts';
import type { World } from './world.ts';

export const GUARDED_STORE = 'target.rows';

/**
 * A store that compares and writes in one step, as Postgres and Neo4j do: any number of processes may write to it. A batch goes to it in
 * some calls, so a part of it may have been applied when one of them fails.
 */
export class GuardedFollower implements Follower {
  readonly name = GUARDED_STORE;
  readonly kinds: readonly Kind[] = LOG_KINDS;
  readonly handover: Handover = 'none';
  readonly #world: World;
  readonly #watch: StateWatch;
  readonly #held = new Map<string, HeldState>();

  constructor(world: World, history: History) {
    this.#world = world;
    this.#watch = new StateWatch(world, history, this.name, true);
  }

  held(id: string): HeldState | undefined {
    return this.#held.get(id);
  }

  ids(): readonly string[] {
    return [...this.#held.keys()];
  }

  openSink(life: Life): Sink {
    const { bug, random } = this.#world;
    const applyDistinct = async (kind: Kind, changes: readonly Change[]): Promise<readonly Outcome[]> => {
      const outcomes: Outcome[] = [];
      while (outcomes.length < changes.length) {
        const some = changes.slice(outcomes.length, outcomes.length + random.between(1, 8));
        const what = `is offered ${some.map(({ key, version }) => `${kind} ${key} ${version}`).join(', ')}`;
        try {
          outcomes.push(
            ...(await life.call(this.name, what, () => some.map((change) => this.#apply(change)))),
          );
        } catch (error) {
          if (bug !== 'partial-batch-done' || outcomes.length === 0 || !isRetryable(error)) throw error;
          return changes.map(() => APPLIED);
        }
      }
      return outcomes;
    };
    const sink = coalescingSink({ kinds: this.kinds, applyDistinct, close: async () => {} });
    return bug === 'first-of-a-key' ? firstOfEachKey(sink) : sink;
  }

  #apply(change: Change): Outcome {
    const { bug } = this.#world;
    const id = identify(change);
    const before = this.#held.get(id);
    const content = contentOf(change.after);
    if (sortOf(content) === 'poison') return bug === 'rejected-in-silence' ? STALE : rejected('it is poison');
    const newer =
      bug === 'guard-or-equal'
        ? before === undefined || change.version >= before.version
        : bug === 'guard-missing' || isNewer(change.version, before?.version);
    if (!newer) return STALE;
    const after =
      content === null && bug === 'tombstone-forgotten' ? undefined : { version: change.version, content };
    if (after === undefined) this.#held.delete(id);
    else this.#held.set(id, after);
    this.#watch.changed(id, before, after);
    return APPLIED;
  }
}

/** Planted: a batch in which the first change of a key wins. */
function firstOfEachKey(sink: Sink): Sink {
  return {
    ...sink,
    apply: async (changes) => {
      const firsts = new Map<string, Change>();
      for (const change of changes) if (!firsts.has(identify(change))) firsts.set(identify(change), change);
      const outcomes = await sink.apply([...firsts.values()]);
      const byChange = new Map(Array.from(firsts.values(), (change, index) => [change, outcomes[index]]));
      return changes.map((change) => byChange.get(change) ?? STALE);
    },
  };
}
