import type { Clock } from './clock.ts';

/** Lets `take(n)` through at no more than `perSecond` items a second, in the order of the calls. */
export interface RateLimiter {
  take(items: number, signal?: AbortSignal): Promise<void>;
}

export const unlimited: RateLimiter = { take: async () => {} };

/**
 * A virtual scheduling limiter (GCRA without burst): each call reserves the time that its items take and waits until
 * the time before it has passed. https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
 */
export function createRateLimiter(perSecond: number, clock: Clock): RateLimiter {
  let freeAtMs = clock.elapsedMs();
  return {
    async take(items, signal) {
      const nowMs = clock.elapsedMs();
      const startMs = Math.max(nowMs, freeAtMs);
      freeAtMs = startMs + (items * 1000) / perSecond;
      if (startMs > nowMs) await clock.sleep(startMs - nowMs, signal);
    },
  };
}
