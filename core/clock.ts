import { setTimeout as delay } from 'node:timers/promises';

/** Time as a parameter, so that tests and the simulator can own it. */
export interface Clock {
  /** Wall time in whole microseconds since 1970. Not monotone: it follows the host's clock. */
  nowUs(): number;
  /** Monotone milliseconds from an arbitrary start, for durations. */
  elapsedMs(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowUs: () => Math.trunc((performance.timeOrigin + performance.now()) * 1000),
  elapsedMs: () => performance.now(),
  sleep: async (ms, signal) => {
    signal?.throwIfAborted();
    try {
      await delay(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
};
