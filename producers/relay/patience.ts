import type { Clock } from '../../core/clock.ts';
import { isRetryable, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { unlessAborted } from '../../core/service.ts';

const FIRST_DELAY_MS = 50;
const MAX_DELAY_MS = 2_000;
const WARN_EVERY_MS = 30_000;

/**
 * Waits out what may pass, for as long as it takes: one warning when it begins, then one every half a minute, and a
 * line when it is over. What may not pass is thrown as it is.
 */
export class Patience {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #failures = 0;
  #sinceMs = 0;
  #warnedMs = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Resolves when it is time to try again; rejects with the error, or with the signal's reason. */
  async after(error: unknown, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!isRetryable(error)) throw error;
    this.#warn(messageOf(error));
    const ceilingMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(this.#failures, 16));
    this.#failures += 1;
    // At least half of it, so that a failure that comes at once does not make a busy loop.
    await this.#clock.sleep((ceilingMs * (1 + Math.random())) / 2, signal);
  }

  /** Something has succeeded: the next failure is a new one. */
  worked(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    const waitedMs = Math.round(this.#clock.elapsedMs() - this.#sinceMs);
    this.#logger.info({ waitedMs }, 'going on');
  }

  /** The outcome of `work`; when the signal is aborted, what is under way is left to itself. */
  async patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      try {
        const result = await unlessAborted(work(), signal);
        this.worked();
        return result;
      } catch (error) {
        await this.after(error, signal);
      }
    }
  }

  #warn(reason: string): void {
    const nowMs = this.#clock.elapsedMs();
    if (this.#failures === 0) this.#sinceMs = nowMs;
    else if (nowMs - this.#warnedMs < WARN_EVERY_MS) return;
    this.#warnedMs = nowMs;
    const sinceMs = Math.round(nowMs - this.#sinceMs);
    this.#logger.warn(
      { reason, sinceMs },
      'cannot go on at the moment; trying again for as long as it takes',
    );
  }
}
