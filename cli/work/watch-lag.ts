import { type PartitionLag, readLag } from '../../consumers/lag/read-lag.ts';
import { systemClock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Service } from '../../core/service.ts';
import { unlessAborted } from '../../core/service.ts';
import type { Log } from '../../log/log.ts';
import type { Follower } from './followers.ts';

export interface WatchLagOptions {
  readonly log: Log;
  readonly followers: readonly Follower[];
  readonly logger: Logger;
  /** Undefined where the log does not say. */
  readonly onLag: (follower: Follower, lag: readonly PartitionLag[] | undefined) => void;
}

const LOOK_EVERY_MS = 5_000;

/** Looks from time to time at how far the followers are behind. */
export function watchLag({ log, followers, logger, onLag }: WatchLagOptions): Service {
  const look = async (follower: Follower, signal: AbortSignal): Promise<void> => {
    const following = { group: follower.group, kinds: follower.kinds };
    try {
      onLag(follower, await unlessAborted(readLag(log, following, systemClock.nowUs), signal));
    } catch (error) {
      if (signal.aborted) return;
      onLag(follower, undefined);
      // The pipelines themselves know whether they can go on.
      logger.warn({ store: follower.name, reason: messageOf(error) }, 'cannot ask for the lag');
    }
  };
  return {
    name: 'lag',
    run: async (signal) => {
      while (!signal.aborted) {
        await Promise.all(followers.map((follower) => look(follower, signal)));
        await systemClock.sleep(LOOK_EVERY_MS, signal).catch(() => {});
      }
    },
  };
}
