import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../log/log.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type Follower, LagPressure } from './lag-pressure.ts';
import { type OutboxDepth, outboxPressure } from './outbox-pressure.ts';
import type { PressureSource } from './pressure.ts';

/** For whom a backfill goes slower. */
export interface Watch {
  readonly followers: readonly Follower[];
  /** Records of a kind that a follower may be behind, and how long the oldest may wait; infinite for no bound. */
  readonly maxLagRecords: number;
  readonly maxLagSeconds: number;
  /** So many times as long as usual may the origin take for a chunk; 0 for any. */
  readonly maxOriginSlowdown: number;
  /** Of the origin stores that are captured. */
  readonly outboxes?: () => Promise<readonly OutboxDepth[]>;
  /** How full an outbox may be, from 0 to 1. */
  readonly maxOutboxShare: number;
}

/** Nobody is watched. */
export const UNWATCHED: Watch = {
  followers: [],
  maxLagRecords: Number.POSITIVE_INFINITY,
  maxLagSeconds: Number.POSITIVE_INFINITY,
  maxOriginSlowdown: 0,
  maxOutboxShare: 1,
};

interface Surroundings {
  readonly log: Log;
  readonly clock: Clock;
  readonly kinds: readonly Kind[];
  readonly leastPerSecond: number;
}

/** What is asked beside the origin's own scans. */
export function pressureSources(
  { followers, maxLagRecords, maxLagSeconds, outboxes, maxOutboxShare }: Watch,
  { log, clock, kinds, leastPerSecond }: Surroundings,
): readonly PressureSource[] {
  const bounded = maxLagRecords !== Number.POSITIVE_INFINITY || maxLagSeconds !== Number.POSITIVE_INFINITY;
  const ours = followers
    .map((follower) => ({ ...follower, kinds: follower.kinds.filter((kind) => kinds.includes(kind)) }))
    .filter((follower) => bounded && follower.kinds.length > 0);
  const lags = ours.map(
    (follower) =>
      new LagPressure({
        log,
        clock,
        follower,
        maxRecords: maxLagRecords,
        maxSeconds: maxLagSeconds,
        leastPerSecond,
      }),
  );
  if (outboxes === undefined) return lags;
  return [...lags, outboxPressure({ clock, read: outboxes, maxShare: maxOutboxShare })];
}
