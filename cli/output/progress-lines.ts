import { type Clock, systemClock } from '../../core/clock.ts';
import { Pace } from './pace.ts';
import type { ProgressView } from './progress-view.ts';

const LINE_EVERY_MS = 2_000;

/** For files and pipes: a line for what moves, now and then, and one when it is done. */
export function plainLines(
  output: { write(text: string): unknown },
  clock: Pick<Clock, 'elapsedMs'> = systemClock,
): ProgressView {
  const lines = new Map<string, { readonly pace: Pace; shownMs: number }>();
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
    stop: () => {},
  };
}
