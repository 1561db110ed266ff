import type { Drain } from '../../connectors/capture.ts';
import type { Clock } from '../../core/clock.ts';
import { ChangeoverError, isRetryable, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { unlessAborted } from '../../core/service.ts';

/** A claim that cannot end by itself is still looked after from time to time. */
const LONGEST_PAUSE_MS = 60_000;
const RENEWALS_PER_TERM = 3;
const TRIES_PER_TERM = 12;

/**
 * A claim for as long as we have it. It is renewed from a timer of its own, whatever else is slow. `lost` is aborted as
 * soon as somebody else may have the claim: the store says so, or no renewal has succeeded within the time, counted
 * from before it was asked for.
 */
export class HeldClaim {
  readonly #drain: Drain;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #lost = new AbortController();
  readonly #ended = new AbortController();
  readonly #renewing: Promise<void>;
  #renewedMs: number;

  constructor(drain: Drain, claimedMs: number, { clock, logger }: { clock: Clock; logger: Logger }) {
    this.#drain = drain;
    this.#clock = clock;
    this.#logger = logger;
    this.#renewedMs = claimedMs;
    this.#renewing = this.#keep();
  }

  /** Its reason is an error that says how. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Looks at the clock too: after a pause of the whole process no timer has fired yet. */
  holds(): boolean {
    if (this.#leftMs() <= 0) this.lose(new ChangeoverError('conflict', 'The claim was not renewed in time.'));
    return !this.lost.aborted;
  }

  lose(reason: unknown): void {
    if (!this.#ended.signal.aborted) this.#lost.abort(reason);
  }

  /** Ends the renewing, not the claim. */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#renewing;
  }

  #leftMs(): number {
    return this.#renewedMs + this.#drain.renewWithinMs - this.#clock.elapsedMs();
  }

  async #keep(): Promise<void> {
    const stop = AbortSignal.any([this.#ended.signal, this.#lost.signal]);
    const termMs = this.#drain.renewWithinMs;
    let failed = false;
    while (!stop.aborted) {
      const pauseMs = Math.min(termMs / (failed ? TRIES_PER_TERM : RENEWALS_PER_TERM), LONGEST_PAUSE_MS);
      try {
        await this.#clock.sleep(pauseMs, stop);
        await this.#renew(stop);
        failed = false;
      } catch (error) {
        if (stop.aborted) return;
        if (!isRetryable(error)) {
          this.lose(error);
          return;
        }
        if (!failed) this.#logger.warn({ reason: messageOf(error) }, 'cannot renew the claim, trying again');
        failed = true;
        if (!this.holds()) return;
      }
    }
  }

  async #renew(stop: AbortSignal): Promise<void> {
    const askedMs = this.#clock.elapsedMs();
    const answered = new AbortController();
    const tooLate = this.#clock
      .sleep(
        Math.min(Math.max(this.#leftMs(), 0), LONGEST_PAUSE_MS),
        AbortSignal.any([stop, answered.signal]),
      )
      .then(() => {
        throw new ChangeoverError('timeout', 'The store does not answer.');
      });
    // Whichever of the two is not waited for any more must not end the process.
    tooLate.catch(() => {});
    try {
      const kept = await unlessAborted(Promise.race([this.#drain.renew(), tooLate]), stop);
      if (!kept) throw new ChangeoverError('conflict', 'Another process has claimed the outbox.');
      this.#renewedMs = askedMs;
    } finally {
      answered.abort();
    }
  }
}
