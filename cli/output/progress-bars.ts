import { type Clock, systemClock } from '../../core/clock.ts';
import { barLines } from './bar-lines.ts';
import { Pace } from './pace.ts';
import type { ProgressView } from './progress-view.ts';

/** What the bars need of a terminal; `process.stderr` is one. Its size can change at any moment. */
export interface Terminal {
  readonly columns: number;
  readonly rows: number;
  write(text: string): unknown;
}

const DRAW_EVERY_MS = 250;
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
const up = (lines: number): string => `\x1b[${lines}A`;

/**
 * Bars that live with other writers. Between two drawings the cursor stands on an empty line above them: what somebody else
 * writes (a note, a line of the log) lands there and stays, and the bars are drawn again below it. Nothing about the
 * terminal is changed that a killed process would leave changed.
 */
export function bars(terminal: Terminal, clock: Pick<Clock, 'elapsedMs'> = systemClock): ProgressView {
  const paces = new Map<string, Pace>();
  let timer: NodeJS.Timeout | undefined;
  let remarkText = '';
  /** One line, below the bars. */
  const remarkLines = (): readonly string[] =>
    remarkText === '' ? [] : [`  ${remarkText}`.slice(0, Math.max(1, terminal.columns - 1))];
  const draw = (): void => {
    // One line less than the screen has, or moving up would not reach the empty line.
    const all = [...barLines([...paces.values()], terminal.columns), ...remarkLines()];
    const lines = all.slice(0, Math.max(1, terminal.rows - 2));
    terminal.write(`${frame(lines)}${up(lines.length)}\r`);
  };
  const stop = (): void => {
    if (timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
    process.off('exit', stop);
    terminal.write(`${frame(barLines([...paces.values()], terminal.columns, true))}\n`);
  };
  return {
    start(started) {
      for (const line of started) paces.set(line.name, new Pace(line, clock));
      if (paces.size === 0 || timer !== undefined) return;
      draw();
      timer = setInterval(draw, DRAW_EVERY_MS).unref();
      // A second Ctrl-C ends the process where it is; the prompt belongs below the bars.
      process.on('exit', stop);
    },
    advance: (name, items) => paces.get(name)?.advance(items),
    remark: (text) => {
      remarkText = text;
    },
    stop,
  };
}

function frame(lines: readonly string[]): string {
  const below = lines.map((line) => `\n${line}${CLEAR_LINE}`).join('');
  return `\r${CLEAR_LINE}${below}${CLEAR_BELOW}`;
}
