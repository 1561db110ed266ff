import type { Cluster, Redis } from 'ioredis';
import type { Clock } from '../../../core/clock.ts';
import { retry } from '../../../core/retry.ts';

/** What the clients of one server and of a cluster do alike with a connection. */

interface Trying {
  readonly attempts: number;
  readonly clock: Clock;
  /** Makes one of our errors of what ioredis throws. */
  readonly explain: (error: unknown) => Error;
}

/** Tries a call again a few times while the server is away. */
export function tryCall<T>(work: () => Promise<T>, { attempts, clock, explain }: Trying): Promise<T> {
  return retry(
    async () => {
      try {
        return await work();
      } catch (error) {
        throw explain(error);
      }
    },
    { policy: { attempts, maxDelayMs: 1_000 }, clock },
  );
}

/** A connection of its own, for what waits for the server. */
export function waitingConnection(redis: Redis): Redis {
  const own = redis.duplicate({ connectionName: 'changeover-wait', retryStrategy: () => null });
  // Without a listener ioredis writes to the console; what waits falls back to looking.
  own.on('error', () => undefined);
  return own;
}

const CLOSE_WITHIN_MS = 2_000;

/** Lets what is under way be answered first, but not for ever: a peer that has vanished never answers. */
export async function sayGoodbye(redis: Redis | Cluster, clock: Clock): Promise<void> {
  if (redis.status === 'ready') {
    const goodbye = redis.quit().catch(() => undefined);
    const tooLong = new AbortController();
    const timeout = clock.sleep(CLOSE_WITHIN_MS, tooLong.signal).catch(() => undefined);
    await Promise.race([goodbye, timeout]);
    tooLong.abort();
  }
  redis.disconnect();
}
