import { type JudgedLag, LagHistory, type LagState, worstOf } from '../../consumers/lag/judge-lag.ts';
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
  readonly partitions: readonly (JudgedLag & { readonly topic: string })[];
}

interface Watched {
  readonly store: string;
  readonly kinds: readonly Kind[];
  readonly history: LagHistory;
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
    }));
  }

  look(): Promise<readonly StoreLag[]> {
    return Promise.all(this.#watched.map((each) => this.#lookAt(each)));
  }

  async #lookAt({ store, kinds, history }: Watched): Promise<StoreLag> {
    const [partitions, members] = await Promise.all([
      readLag(this.#log, { group: store, kinds }, systemClock.nowUs),
      this.#log.members(store),
    ]);
    const judged = history.add({ atMs: systemClock.elapsedMs(), members, partitions });
    return {
      store,
      group: `${this.#prefix}.${store}`,
      members,
      state: worstOf(judged),
      records: judged.reduce((sum, { records }) => sum + records, 0),
      seconds: Math.max(0, ...judged.map(({ seconds }) => seconds)),
      partitions: judged.map((each) => ({ ...each, topic: topicOf(this.#prefix, each.kind) })),
    };
  }
}

/** Whether another look can tell more: a group with members that is behind may be moving or not. */
export function isUndecided(lags: readonly StoreLag[]): boolean {
  return lags.some(({ records, members, state }) => records > 0 && members > 0 && state !== 'STALLED');
}

/** Throws `stalled` where records wait for a store and nothing is committed. */
export function assertNotStalled(lags: readonly StoreLag[]): void {
  const stalled = lags.filter(({ state }) => state === 'STALLED');
  if (stalled.length === 0) return;
  const texts = stalled.map(({ store, partitions }) => {
    const reason = partitions.find(({ state }) => state === 'STALLED')?.reason;
    return `${store} (${reason})`;
  });
  throw new ChangeoverError('stalled', `Records wait, and nothing is committed: ${texts.join(', ')}`, {
    hint: 'See that `changeover run` is running for these stores and what it says; its metrics tell whether a store refuses.',
  });
}
