import { type Clock, systemClock } from '../core/clock.ts';
import { ChangeoverError } from '../core/errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * One Ctrl-C often arrives twice: from the terminal, and from a parent that the terminal signals as well and that passes
 * it on (npm, or bin/changeover.js on an old Node), on a busy machine a little later. Nobody who has read what a second
 * one does is as quick as this.
 */
const SAME_SIGNAL_MS = 1_000;

/** Takes back what a terminal shows of the key itself, and clears the bars, which are drawn again below. */
const CLEAR_BELOW = '\r\x1b[J';

/**
 * Aborted by the first Ctrl-C, SIGTERM or SIGHUP (a terminal that is closed): finish what is under way and stop. The
 * second ends the process at once.
 */
export function stopOnSignals(controller: AbortController, clock: Clock = systemClock): void {
  let firstMs: number | undefined;
  const onSignal = (): void => {
    const nowMs = clock.elapsedMs();
    if (firstMs !== undefined) {
      if (nowMs - firstMs >= SAME_SIGNAL_MS) process.exit(130);
      return;
    }
    firstMs = nowMs;
    const clear = process.stderr.isTTY ? CLEAR_BELOW : '';
    process.stderr.write(`${clear}Stopping; once more stops at once.\n`);
    controller.abort(new ChangeoverError('aborted', 'Stopped.'));
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
}
