import { MultiBar, type SingleBar } from 'cli-progress';
import { count, duration, rate } from './format.ts';

export interface ProgressLine {
  readonly name: string;
  readonly total: number;
  readonly done: number;
}

/** Shows how far several things have come: bars on a terminal, a line now and then elsewhere. On standard error. */
export interface ProgressView {
  start(lines: readonly ProgressLine[]): void;
  advance(name: string, items: number): void;
  stop(): void;
}

const silent: ProgressView = { start: () => {}, advance: () => {}, stop: () => {} };

export function openProgress(options: { readonly quiet: boolean }): ProgressView {
  if (options.quiet) return silent;
  return process.stderr.isTTY ? bars() : plainLines();
}

/** How far one thing has come, how fast, and how long it will take. */
class Pace {
  readonly name: string;
  readonly total: number;
  readonly #before: number;
  readonly #startedMs = performance.now();
  #done: number;

  constructor({ name, total, done }: ProgressLine) {
    this.name = name;
    this.total = total;
    this.#before = done;
    this.#done = done;
  }

  get done(): number {
    return this.#done;
  }

  advance(items: number): void {
    this.#done += items;
  }

  get speed(): string {
    return rate(this.#done - this.#before, performance.now() - this.#startedMs);
  }

  get left(): string {
    if (this.#done >= this.total) return 'done';
    const elapsedMs = performance.now() - this.#startedMs;
    return `${duration(((this.total - this.#done) * elapsedMs) / Math.max(this.#done - this.#before, 1))} left`;
  }
}

function bars(): ProgressView {
  const multi = new MultiBar({
    format: '  {name} {bar} {percentage}%  {value}/{total}  {speed}  {left}',
    stream: process.stderr,
    hideCursor: true,
  });
  const shown = new Map<string, { readonly pace: Pace; readonly bar: SingleBar }>();
  let width = 0;
  return {
    start(lines) {
      width = Math.max(...lines.map((line) => line.name.length));
      for (const line of lines) {
        const bar = multi.create(line.total, line.done, {
          name: line.name.padEnd(width),
          speed: '',
          left: '',
        });
        shown.set(line.name, { pace: new Pace(line), bar });
      }
    },
    advance(name, items) {
      const line = shown.get(name);
      if (line === undefined) return;
      const { pace, bar } = line;
      pace.advance(items);
      bar.update(pace.done, { name: name.padEnd(width), speed: pace.speed, left: pace.left });
    },
    stop: () => multi.stop(),
  };
}

const LINE_EVERY_MS = 2_000;

function plainLines(): ProgressView {
  const lines = new Map<string, { readonly pace: Pace; shownMs: number }>();
  return {
    start(started) {
      for (const line of started) lines.set(line.name, { pace: new Pace(line), shownMs: performance.now() });
    },
    advance(name, items) {
      const line = lines.get(name);
      if (line === undefined) return;
      const { pace } = line;
      pace.advance(items);
      const nowMs = performance.now();
      if (pace.done < pace.total && nowMs - line.shownMs < LINE_EVERY_MS) return;
      line.shownMs = nowMs;
      process.stderr.write(
        `${name}: ${count(pace.done)} of ${count(pace.total)}, ${pace.speed}, ${pace.left}\n`,
      );
    },
    stop: () => {},
  };
}
