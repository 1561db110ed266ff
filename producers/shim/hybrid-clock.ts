import type { Clock } from '../../core/clock.ts';
import { nextVersion } from '../../schemas/version.ts';

/**
 * A hybrid logical clock in microseconds: it follows the wall clock, never goes back, and is never behind a version that
 * this process has seen, so that a write that saw another write always wins over it. (Kulkarni et al., Logical Physical
 * Clocks, 2014; with one number instead of two, as every version here is one.)
 */
export interface HybridClock {
  /** Greater than every version that it gave or that it was shown. */
  next(): number;
  /** Merges a version that was read or applied somewhere. */
  observe(version: number): void;
}

export function createHybridClock(clock: Clock): HybridClock {
  let last = 0;
  return {
    next: () => {
      last = nextVersion(last, clock.nowUs());
      return last;
    },
    observe: (version) => {
      last = Math.max(last, version);
    },
  };
}
