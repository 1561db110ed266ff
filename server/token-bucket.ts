import type { Clock } from '../core/clock.ts';

/** Lets a number of items a second through, and refuses instead of making anybody wait. */
export interface TokenBucket {
  /** 0 when the items may pass; else the milliseconds after which they may. */
  take(items: number): number;
}

/**
 * Holds one second's worth. What is larger than that passes when it is full, and leaves a debt that later items wait for.
 */
export function createTokenBucket(perSecond: number, clock: Clock): TokenBucket {
  const capacity = Math.max(1, perSecond);
  let level = capacity;
  let filledMs = clock.elapsedMs();
  return {
    take: (items) => {
      const nowMs = clock.elapsedMs();
      level = Math.min(capacity, level + ((nowMs - filledMs) * perSecond) / 1_000);
      filledMs = nowMs;
      const missing = Math.min(items, capacity) - level;
      if (missing > 0) return (missing * 1_000) / perSecond;
      level -= items;
      return 0;
    },
  };
}

export const unlimitedBucket: TokenBucket = { take: () => 0 };
