import type { Clock } from '../../core/clock.ts';

export interface Deadline {
  readonly clock: Clock;
  readonly ms: number;
}

/** Made once: an error with a stack for every timer that is no longer needed would cost more than the timer. */
const DONE = new Error('The work was done in time.');

/**
 * The outcome of `work`, or of `late()` when it takes longer. The work goes on in the background then; what becomes of
 * it no longer matters. Needed because the client waits for a silent peer far longer than we promise to.
 */
export async function within<T>({ clock, ms }: Deadline, work: Promise<T>, late: () => T): Promise<T> {
  const timer = new AbortController();
  const lateness = clock.sleep(ms, timer.signal).then(late);
  try {
    return await Promise.race([work, lateness]);
  } finally {
    timer.abort(DONE);
    await Promise.allSettled([lateness]);
    work.catch(() => {});
  }
}
