import { exitCodeOf } from '../core/errors.ts';

/** `docker stop` and most supervisors kill 10 s after their first signal. */
const LEAVES_WITHIN_MS = 9_000;

/**
 * Ends the process where it has not ended by itself so long after it was to stop, because something does not answer. Each part has a
 * shorter time of its own for that; they may come one after the other. Nothing is lost by it: it is a kill -9, told and in time.
 */
export function leaveInTime(stopped: AbortSignal, withinMs = LEAVES_WITHIN_MS): void {
  const leave = (): void => {
    process.stderr.write(
      `Something has not answered for ${withinMs / 1_000} s; leaving. What was under way is done again.\n`,
    );
    process.exit(exitCodeOf(stopped.reason));
  };
  stopped.addEventListener('abort', () => setTimeout(leave, withinMs).unref(), { once: true });
}
