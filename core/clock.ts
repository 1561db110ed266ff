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

/** How far the finer clock may be from the host's, whose readings are whole milliseconds. */
const APART_MS = 5;
/** Where the finer clock began. */
let originMs = performance.timeOrigin;

/**
 * Microseconds come from the clock of durations. It does not count while the host sleeps, and does not move when the host's clock is
 * set: then it is set anew.
 */
function wallMs(): number {
  const hostMs = Date.now();
  const elapsedMs = performance.now();
  if (Math.abs(originMs + elapsedMs - hostMs) > APART_MS) originMs = hostMs - elapsedMs;
  return originMs + elapsedMs;
}

export const systemClock: Clock = {
  nowUs: () => Math.trunc(wallMs() * 1000),
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
