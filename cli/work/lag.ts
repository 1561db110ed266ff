import {
  GROUP_STALLS_AFTER_MS,
  type JudgedLag,
  LagHistory,
  type LagState,
  worstOf,
} from '../../consumers/lag/judge-lag.ts';
import { readLag } from '../../consumers/lag/read-lag.ts';
import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Log } from '../../log/log.ts';
import { type Kind, topicOf } from '../../schemas/kinds.ts';
import type { Deployment } from '../deployment.ts';

/** How far one target store is behind. */
export interface StoreLag {
  readonly store: string;
  /** As the brokers know it. */
  readonly group: string;
  readonly members: number;
  readonly state: LagState;
  readonly records: number;
  readonly seconds: number;
  /** For how long it has been looked at, from the first look to the last. */
  readonly watchedMs: number;
  readonly partitions: readonly (JudgedLag & { readonly topic: string })[];
}

interface Watched {
  readonly store: string;
  readonly kinds: readonly Kind[];
  readonly history: LagHistory;
  firstLookMs: number | undefined;
}

/** Looks at the groups of these target stores; what it saw before is what it tells a stop by. The stores are not asked. */
export class LagWatch {
  readonly #log: Log;
  readonly #prefix: string;
  readonly #watched: readonly Watched[];

  constructor(log: Log, { config, routes }: Deployment, names: readonly string[]) {
    this.#log = log;
    this.#prefix = config.prefix;
    this.#watched = names.map((name) => ({
      store: `target.${name}`,
      kinds: routes.followers.get(name) ?? [],
      history: new LagHistory(config.lag),
      firstLookMs: undefined,
    }));
  }

  look(): Promise<readonly StoreLag[]> {
    return Promise.all(this.#watched.map((each) => this.#lookAt(each)));
  }

  async #lookAt(watched: Watched): Promise<StoreLag> {
    const { store, kinds, history } = watched;
    const [partitions, members] = await Promise.all([
      readLag(this.#log, { group: store, kinds }, systemClock.nowUs),
      this.#log.members(store),
    ]);
    // When it was answered: brokers may take their time.
    const atMs = systemClock.elapsedMs();
    watched.firstLookMs ??= atMs;
    const judged = history.add({ atMs, members, partitions });
    return {
      store,
      group: `${this.#prefix}.${store}`,
      members,
      state: worstOf(judged),
      records: judged.reduce((sum, { records }) => sum + records, 0),
      seconds: Math.max(0, ...judged.map(({ seconds }) => seconds)),
      watchedMs: atMs - watched.firstLookMs,
      partitions: judged.map((each) => ({ ...each, topic: topicOf(this.#prefix, each.kind) })),
    };
  }
}

/** Whether another look can tell more: a group with members that is behind may be moving, or have stopped. */
export function isUndecided(lags: readonly StoreLag[]): boolean {
  return lags.some(
    ({ records, members, state, watchedMs }) =>
      records > 0 && members > 0 && state !== 'STALLED' && watchedMs < GROUP_STALLS_AFTER_MS,
  );
}

const RUNS =
  'See that `changeover run` is running for these stores and what it says; its metrics tell whether a store refuses.';
const GAP = 'At a gap `changeover run` ends with exit code 9, and says what is missing and what can be done.';

/** Throws `stalled` where records wait for a store and nothing is committed, or where it cannot go on. */
export function assertNotStalled(lags: readonly StoreLag[]): void {
  const stalled = lags.flatMap(({ store, partitions }) => {
    const first = partitions.find(({ state }) => state === 'STALLED');
    return first === undefined ? [] : [{ store, ...first }];
  });
  if (stalled.length === 0) return;
  const hints = stalled.map(({ missing, forgotten }) => (missing > 0 || forgotten ? GAP : RUNS));
  const texts = stalled.map(({ store, reason }) => `${store} (${reason})`);
  throw new ChangeoverError('stalled', `These stores do not go on: ${texts.join(', ')}`, {
    hint: [...new Set(hints)].join(' '),
  });
}
