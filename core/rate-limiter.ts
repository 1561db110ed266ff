import type { Clock } from './clock.ts';
import { serial } from './serial.ts';

/** Who is stopped looks up now and then all the same: timers end somewhere. */
const LONGEST_SLEEP_MS = 60_000;

/**
 * Lets `take(n)` through at no more than `perSecond` items a second, in the order of the calls: what is let through is paid
 * for by whoever comes next (GCRA without burst, https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm). The rate can be
 * changed at any moment, also while somebody waits: 0 stops, infinite lets everything through.
 */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #inTurn = serial();
  #perSecond: number;
  /** Items that have been let through before their time. */
  #ahead = 0;
  #atMs: number;
  #changed = new AbortController();

  constructor(clock: Clock, perSecond = Number.POSITIVE_INFINITY) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#atMs = clock.elapsedMs();
  }

  get perSecond(): number {
    return this.#perSecond;
  }

  set(perSecond: number): void {
    if (perSecond === this.#perSecond) return;
    this.#settle();
    this.#perSecond = perSecond;
    this.#changed.abort();
    this.#changed = new AbortController();
  }

  take(items: number, signal?: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      for (;;) {
        signal?.throwIfAborted();
        this.#settle();
        if (this.#perSecond > 0 && this.#ahead <= 0) break;
        await this.#sleep(signal);
      }
      this.#ahead += items;
    });
  }

  /** Until the time may have come, or the rate has changed. */
  async #sleep(signal: AbortSignal | undefined): Promise<void> {
    const changed = this.#changed.signal;
    const needMs = this.#perSecond > 0 ? (this.#ahead * 1_000) / this.#perSecond : LONGEST_SLEEP_MS;
    const either = signal === undefined ? changed : AbortSignal.any([signal, changed]);
    await this.#clock.sleep(Math.min(LONGEST_SLEEP_MS, needMs), either).catch(() => {});
  }

  #settle(): void {
    const nowMs = this.#clock.elapsedMs();
    const passed =
      this.#perSecond === Number.POSITIVE_INFINITY
        ? this.#ahead
        : (this.#perSecond * (nowMs - this.#atMs)) / 1_000;
    this.#ahead = Math.max(0, this.#ahead - passed);
    this.#atMs = nowMs;
  }
}
