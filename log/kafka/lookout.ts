import type { Clock } from '../../core/clock.ts';
import { type ChangeoverError, isRetryable, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { kafkaError } from './errors.ts';
import { gapError } from './gap.ts';
import type { Reading, Seek } from './reading.ts';
import type { Watermarks } from './watermarks.ts';

export interface LookoutOptions {
  readonly reading: Reading;
  /** Throws `mismatch` where the topics are not what they have to be. */
  readonly requireTopics: () => Promise<void>;
  readonly readWatermarks: () => Promise<readonly Watermarks[]>;
  readonly address: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly closing: AbortSignal;
}

export type Finding =
  /** All is well; these are to be read again, to see whether they are still the same. */
  | { readonly is: 'well'; readonly again: readonly Seek[] }
  /** Reading cannot go on. */
  | { readonly is: 'over'; readonly reason: ChangeoverError }
  /** In these partitions nothing has been read for long, although there is something. */
  | { readonly is: 'stalled'; readonly places: readonly string[] }
  /** The brokers did not say. */
  | { readonly is: 'unknown' };

/** Brokers that have just taken over may say for a moment that there is less than there is. */
const SECOND_LOOK_MS = 2_000;

/**
 * Compares, while a subscription reads, what the brokers have with what was read. kafkajs reports neither that records
 * have expired in front of a consumer that waits for a slow store, nor that it has stopped reading a partition.
 */
export class Lookout {
  readonly #options: LookoutOptions;

  constructor(options: LookoutOptions) {
    this.#options = options;
  }

  async look(): Promise<Finding> {
    const { clock, closing, logger } = this.#options;
    try {
      const first = await this.#ask();
      if (first.reason === undefined) return this.#conclude(first.watermarks);
      await clock.sleep(SECOND_LOOK_MS, closing);
      const { reason } = await this.#ask();
      return reason === undefined ? { is: 'unknown' } : { is: 'over', reason };
    } catch (error) {
      if (!closing.aborted)
        logger.debug({ reason: messageOf(error) }, 'cannot look whether the log is whole');
      return { is: 'unknown' };
    }
  }

  #conclude(watermarks: readonly Watermarks[]): Finding {
    const { reading } = this.#options;
    const places = reading.stalled(watermarks);
    if (places.length > 0) return { is: 'stalled', places };
    return { is: 'well', again: reading.readLastAgain() };
  }

  async #ask(): Promise<{ reason?: ChangeoverError; watermarks: readonly Watermarks[] }> {
    const { reading, requireTopics, readWatermarks, address } = this.#options;
    const before = reading.positions();
    try {
      await requireTopics();
    } catch (error) {
      const reason = kafkaError(error, 'read the topics', address);
      if (isRetryable(reason)) throw reason;
      return { reason, watermarks: [] };
    }
    const watermarks = await readWatermarks();
    const gaps = reading.overtaken(watermarks, before);
    return gaps.length === 0 ? { watermarks } : { watermarks, reason: gapError(gaps) };
  }
}
