import type { Clock } from '../../core/clock.ts';
import { type Log, lagOf, type PartitionPosition } from '../../log/log.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Pressure, PressureSource } from './pressure.ts';

/** A store that follows the log. */
export interface Follower {
  readonly store: string;
  /** Local to the log's prefix. */
  readonly group: string;
  readonly kinds: readonly Kind[];
}

export interface LagPressureOptions {
  readonly log: Pick<Log, 'positions' | 'members' | 'arrivals'>;
  readonly clock: Pick<Clock, 'elapsedMs' | 'nowUs'>;
  readonly follower: Follower;
  /** Records of a kind that it may be behind; infinite for any number. */
  readonly maxRecords: number;
  /** How long the oldest of them may wait; infinite for any time. */
  readonly maxSeconds: number;
  readonly leastPerSecond: number;
}

/** How fast a store is, is what it committed in so long: it commits in batches. */
const WINDOW_MS = 5_000;
/** A consumer that is restarted is away for some seconds; who is away for longer is not waited for. */
const AWAY_FOR_MS = 30_000;
/** From here on the bound is felt; at 1 as much may come as goes, nothing where nothing does; at 2 nothing. */
const FELT_FROM = 0.5;
const STOPS_AT = 2;

type Away = 'no' | 'for a moment' | 'for long';

interface Moment {
  readonly atMs: number;
  readonly committed: number;
}

/**
 * Holds a backfill to what a store takes, once it is behind: as many records a second as it committed lately, times what is
 * left up to twice the bound. So the lag comes to rest at the bound instead of swinging about it, and the store never runs
 * dry. A store that has never followed is not waited for, nor one that has been away for a while: nobody reads it, so
 * nothing in it can be late, and the log keeps what it has yet to read.
 */
export class LagPressure implements PressureSource {
  readonly #options: LagPressureOptions;
  readonly #moments = new Map<Kind, Moment[]>();
  #awaySinceMs: number | undefined;

  constructor(options: LagPressureOptions) {
    this.#options = options;
  }

  async read(): Promise<readonly Pressure[]> {
    const { log, follower } = this.#options;
    const positions = await log.positions(follower.kinds, follower.group);
    if (positions.every(({ committed }) => committed === null)) return [];
    const kinds = Map.groupBy(positions, ({ kind }) => kind);
    for (const [kind, own] of kinds) this.#remember(kind, own);
    const shares = await Promise.all(
      Array.from(kinds, async ([kind, own]) => ({
        kind,
        records: lagIn(own),
        share: await this.#shareOf(own),
      })),
    );
    const felt = shares.filter(({ share }) => share > FELT_FROM);
    if (felt.length === 0) {
      this.#awaySinceMs = undefined;
      return [];
    }
    const away = await this.#isAway();
    return felt.map(({ kind, records, share }) => this.#pressure(kind, records, share, away));
  }

  #pressure(kind: Kind, records: number, share: number, away: Away): Pressure {
    const { follower, leastPerSecond } = this.#options;
    const behind = `${follower.store} is ${records} records of ${kind} behind`;
    const common = { reason: 'lag', kinds: [kind] } as const;
    if (away === 'for long') {
      const text = `${behind} and is not running: it is not waited for`;
      return { ...common, text, perSecond: Number.POSITIVE_INFINITY };
    }
    const drained = this.#drainedPerSecond(kind);
    const idle = drained === 0 && this.#watchedMs(kind) >= WINDOW_MS;
    const stops = share >= STOPS_AT || (idle && share >= 1);
    const perSecond = stops ? 0 : Math.max(leastPerSecond, drained * (STOPS_AT - share));
    const why = away !== 'no' ? ' and is not running' : idle ? ' and commits nothing' : '';
    return { ...common, text: `${behind}${why}`, perSecond };
  }

  /** How much of the bound the lag takes up; 1 is all of it. */
  async #shareOf(positions: readonly PartitionPosition[]): Promise<number> {
    const { log, clock, maxRecords, maxSeconds } = this.#options;
    const share = lagIn(positions) / maxRecords;
    if (maxSeconds === Number.POSITIVE_INFINITY) return share;
    const waiting = positions.filter((position) => lagOf(position) > 0);
    const arrived = await log.arrivals(
      waiting.map(({ kind, partition, start, committed }) => ({
        kind,
        partition,
        offset: Math.max(start, committed ?? start),
      })),
    );
    const nowMs = clock.nowUs() / 1_000;
    const oldestMs = Math.min(nowMs, ...arrived.map((atMs) => atMs ?? nowMs));
    return Math.max(share, (nowMs - oldestMs) / 1_000 / maxSeconds);
  }

  async #isAway(): Promise<Away> {
    const { log, clock, follower } = this.#options;
    if ((await log.members(follower.group)) > 0) {
      this.#awaySinceMs = undefined;
      return 'no';
    }
    this.#awaySinceMs ??= clock.elapsedMs();
    return clock.elapsedMs() - this.#awaySinceMs < AWAY_FOR_MS ? 'for a moment' : 'for long';
  }

  #remember(kind: Kind, positions: readonly PartitionPosition[]): void {
    const atMs = this.#options.clock.elapsedMs();
    const committed = positions.reduce((sum, position) => sum + (position.committed ?? position.start), 0);
    const moments = this.#moments.get(kind) ?? [];
    this.#moments.set(kind, moments);
    moments.push({ atMs, committed });
    while ((moments[1]?.atMs ?? atMs) < atMs - WINDOW_MS) moments.shift();
  }

  #watchedMs(kind: Kind): number {
    const moments = this.#moments.get(kind) ?? [];
    return (moments.at(-1)?.atMs ?? 0) - (moments[0]?.atMs ?? 0);
  }

  #drainedPerSecond(kind: Kind): number {
    const moments = this.#moments.get(kind) ?? [];
    const [first, last] = [moments[0], moments.at(-1)];
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
    return Math.max(0, ((last.committed - first.committed) * 1_000) / (last.atMs - first.atMs));
  }
}

function lagIn(positions: readonly PartitionPosition[]): number {
  return positions.reduce((sum, position) => sum + Math.max(0, lagOf(position)), 0);
}
