import { type Clock, systemClock } from '../../core/clock.ts';
import { Pace } from './pace.ts';
import type { ProgressView } from './progress-view.ts';

const LINE_EVERY_MS = 2_000;
/** What goes on holding it back is told again, so that nothing waits in silence. */
const REMARK_EVERY_MS = 30_000;

/** For files and pipes: a line for what moves, now and then, and one when it is done. */
export function plainLines(
  output: { write(text: string): unknown },
  clock: Pick<Clock, 'elapsedMs'> = systemClock,
): ProgressView {
  const lines = new Map<string, { readonly pace: Pace; shownMs: number }>();
  let remarked = { words: '', shownMs: 0 };
  return {
    start(started) {
      const shownMs = clock.elapsedMs();
      for (const line of started) lines.set(line.name, { pace: new Pace(line, clock), shownMs });
    },
    advance(name, items) {
      const line = lines.get(name);
      if (line === undefined) return;
      const { pace } = line;
      const wasFinished = pace.isFinished;
      pace.advance(items);
      const nowMs = clock.elapsedMs();
      if (pace.isFinished === wasFinished && nowMs - line.shownMs < LINE_EVERY_MS) return;
      line.shownMs = nowMs;
      const words = [`${pace.done} of ${pace.goal}`, pace.speed, pace.left].filter((word) => word !== '');
      output.write(`${name}: ${words.join(', ')}\n`);
    },
    remark(text) {
      const nowMs = clock.elapsedMs();
      // Numbers change all the time.
      const words = text.replaceAll(/[\d.,]+/g, '');
      if (words === remarked.words && (text === '' || nowMs - remarked.shownMs < REMARK_EVERY_MS)) return;
      remarked = { words, shownMs: nowMs };
      output.write(text === '' ? 'nothing holds it back\n' : `${text}\n`);
    },
    stop: () => {},
  };
}
