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

function bars(): ProgressView {
  const multi = new MultiBar({
    format: '{name} {bar} {percentage}%  {value}/{total}  {speed}  {left}',
    stream: process.stderr,
    hideCursor: true,
    stopOnComplete: false,
    forceRedraw: true,
  });
  const shown = new Map<
    string,
    { readonly bar: SingleBar; readonly startMs: number; readonly before: number }
  >();
  let width = 0;
  return {
    start(lines) {
      width = Math.max(...lines.map((line) => line.name.length));
      for (const { name, total, done } of lines) {
        const bar = multi.create(total, done, { name: name.padEnd(width), speed: '', left: '' });
        shown.set(name, { bar, startMs: performance.now(), before: done });
      }
    },
    advance(name, items) {
      const line = shown.get(name);
      if (line === undefined) return;
      const { bar, startMs, before } = line;
      const value = (bar as unknown as { readonly value: number }).value + items;
      const elapsedMs = performance.now() - startMs;
      const leftMs = ((bar.getTotal() - value) * elapsedMs) / Math.max(value - before, 1);
      const left = value >= bar.getTotal() ? 'done' : `${duration(leftMs)} left`;
      bar.increment(items, { name: name.padEnd(width), speed: rate(value - before, elapsedMs), left });
    },
    stop: () => multi.stop(),
  };
}

const LINE_EVERY_MS = 2_000;

function plainLines(): ProgressView {
  const lines = new Map<
    string,
    { total: number; done: number; before: number; startMs: number; shownMs: number }
  >();
  const show = (name: string): void => {
    const line = lines.get(name);
    if (line === undefined) return;
    const { total, done, before, startMs } = line;
    const elapsedMs = performance.now() - startMs;
    const leftMs = ((total - done) * elapsedMs) / Math.max(done - before, 1);
    const left = done >= total ? 'done' : `${duration(leftMs)} left`;
    process.stderr.write(
      `${name}: ${count(done)} of ${count(total)}, ${rate(done - before, elapsedMs)}, ${left}\n`,
    );
    line.shownMs = performance.now();
  };
  return {
    start(started) {
      const nowMs = performance.now();
      for (const { name, total, done } of started) {
        lines.set(name, { total, done, before: done, startMs: nowMs, shownMs: nowMs });
      }
    },
    advance(name, items) {
      const line = lines.get(name);
      if (line === undefined) return;
      line.done += items;
      if (line.done >= line.total || performance.now() - line.shownMs >= LINE_EVERY_MS) show(name);
    },
    stop: () => {},
  };
}
