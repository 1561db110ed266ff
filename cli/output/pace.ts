import { type Clock, systemClock } from '../../core/clock.ts';
import { count, duration, rate } from './format.ts';
import type { ProgressLine } from './progress-view.ts';

interface Moment {
  readonly atMs: number;
  readonly done: number;
}

/** Speed is that of the last while: a kind may have waited for its turn, or a server may have become slow. */
const WINDOW_MS = 20_000;
const MOMENT_EVERY_MS = 500;

/** How far one thing has come, how fast, and how long it will take. In words; a word that is not known yet is empty. */
export class Pace {
  readonly name: string;
  readonly #total: number;
  readonly #clock: Pick<Clock, 'elapsedMs'>;
  /** Moments of the window and the one before it; the time up to the first says nothing about the speed. */
  readonly #moments: Moment[] = [];
  #first: Moment | undefined;
  #done: number;
  #meanWhenDone = '';

  constructor(line: ProgressLine, clock: Pick<Clock, 'elapsedMs'> = systemClock) {
    this.name = line.name;
    this.#total = line.total;
    this.#done = line.done;
    this.#clock = clock;
  }

  advance(items: number): void {
    const wasFinished = this.isFinished;
    this.#done += items;
    const now: Moment = { atMs: this.#clock.elapsedMs(), done: this.#done };
    this.#first ??= now;
    const last = this.#moments.at(-1);
    if (last === undefined || now.atMs - last.atMs >= MOMENT_EVERY_MS) this.#moments.push(now);
    this.#forget(now.atMs);
    if (this.isFinished && !wasFinished)
      this.#meanWhenDone = speedOf(this.#perMsSince(this.#first, now.atMs));
  }

  /** Sources grow while they are read, so more than the total can be done. */
  get isFinished(): boolean {
    return this.#done >= this.#total;
  }

  /** From 0 to 1. */
  get fraction(): number {
    return this.isFinished ? 1 : this.#done / this.#total;
  }

  get done(): string {
    return count(this.#done);
  }

  get goal(): string {
    return count(this.#total);
  }

  /** `76,500/s`; the mean of the whole time when it is finished. */
  get speed(): string {
    if (this.isFinished) return this.#meanWhenDone;
    return speedOf(this.#perMs());
  }

  /** `1 min 23 s left`, or `done`. Empty where nothing has moved for a while. */
  get left(): string {
    if (this.isFinished) return 'done';
    const perMs = this.#perMs() ?? 0;
    return perMs > 0 ? `${duration(Math.max(1_000, (this.#total - this.#done) / perMs))} left` : '';
  }

  #perMs(): number | undefined {
    const nowMs = this.#clock.elapsedMs();
    this.#forget(nowMs);
    return this.#perMsSince(this.#moments[0], nowMs);
  }

  /** Undefined while too little time has passed to tell. */
  #perMsSince(since: Moment | undefined, nowMs: number): number | undefined {
    if (since === undefined || nowMs - since.atMs < MOMENT_EVERY_MS) return undefined;
    return (this.#done - since.done) / (nowMs - since.atMs);
  }

  #forget(nowMs: number): void {
    while ((this.#moments[1]?.atMs ?? nowMs) < nowMs - WINDOW_MS) this.#moments.shift();
  }
}

function speedOf(perMs: number | undefined): string {
  return perMs === undefined ? '' : rate(perMs, 1);
}
