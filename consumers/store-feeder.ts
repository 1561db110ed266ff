import { type Outcome, STALE } from '../connectors/connector.ts';
import { isRetryable } from '../core/errors.ts';
import type { Subscription } from '../log/log.ts';
import { BatchLimit } from './batch-limit.ts';
import { isReceived, isRefused } from './decode.ts';
import type { Delivery, Inbox } from './inbox.ts';
import type { PipelineOptions } from './pipeline-options.ts';
import type { BatchResult } from './progress.ts';
import type { Refused } from './refused.ts';
import { type Apply, chain, type Received } from './stage.ts';

export interface StoreFeederOptions
  extends Pick<
    PipelineOptions,
    'sink' | 'stages' | 'refuse' | 'clock' | 'logger' | 'maxBatchChanges' | 'onBatch'
  > {
  readonly subscription: Subscription;
  readonly inbox: Inbox;
}

const MAX_BATCH_BYTES = 16 * 1024 * 1024;
/** A batch that takes longer is followed by smaller ones. */
const MAX_BATCH_MS = 2_000;

/** The partitions of what is being applied belong to another member by now. Nobody's fault, and nothing is lost. */
const MOVED = new Error('partitions moved');

/** Offers the store what is in the inbox, one batch after the other, and commits what has been dealt with. */
export class StoreFeeder {
  readonly #options: StoreFeederOptions;
  readonly #limit: BatchLimit;
  /** Nobody waits for a commit before the next batch is applied: it says only what need not be applied again. */
  #committed: Promise<void> = Promise.resolve();
  /** The generation of the last batch that was offered. */
  #generation: number | undefined;

  constructor(options: StoreFeederOptions) {
    this.#options = options;
    this.#limit = new BatchLimit(options.maxBatchChanges, MAX_BATCH_MS);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { inbox } = this.#options;
    const failed = Promise.withResolvers<never>();
    // Told of at the latest when the loop has ended.
    failed.promise.catch(() => {});
    const bounds = () => ({ maxRecords: this.#limit.changes, maxBytes: MAX_BATCH_BYTES });
    try {
      for (;;) {
        const delivery = await Promise.race([inbox.take(bounds), failed.promise]);
        if (delivery === undefined) break;
        await this.#deal(delivery, signal, failed.reject);
      }
    } finally {
      await this.#committed.catch(() => {});
    }
    await this.#committed;
  }

  async #deal(delivery: Delivery, signal: AbortSignal, fail: (error: unknown) => void): Promise<void> {
    const { subscription, onBatch } = this.#options;
    const result = await this.#applied(delivery, signal);
    if (result === undefined) return;
    const commit = subscription.commit(delivery);
    this.#committed = Promise.all([this.#committed, commit]).then(() => {});
    this.#committed.catch(fail);
    onBatch?.(result);
  }

  /** Undefined where the partitions have moved, or the stop came first: it will be delivered again. */
  async #applied(delivery: Delivery, signal: AbortSignal): Promise<BatchResult | undefined> {
    const { clock, logger, refuse } = this.#options;
    const received = delivery.decoded.filter(isReceived);
    const refused: Refused[] = delivery.decoded.filter(isRefused);
    const startedMs = clock.elapsedMs();
    try {
      const outcomes = received.length === 0 ? [] : await this.#offer(delivery, received, signal);
      const applyMs = clock.elapsedMs() - startedMs;
      this.#limit.took(received.length, applyMs);
      const counts = { applied: 0, stale: 0 };
      for (const [index, each] of received.entries()) {
        const outcome = outcomes[index] ?? STALE;
        if (outcome.status === 'rejected') {
          refused.push({ record: each.record, class: 'rejected', reason: outcome.reason });
        } else counts[outcome.status] += 1;
      }
      if (refused.length > 0) await refuse(refused, signal);
      return { ...sizesOf(delivery), ...counts, refused: refused.length, applyMs };
    } catch (error) {
      if (error === MOVED) {
        const records = delivery.records.length;
        logger.info({ records }, 'partitions moved; their records will be delivered again');
        return undefined;
      }
      if (signal.aborted && (error === signal.reason || isRetryable(error))) return undefined;
      throw error;
    }
  }

  #offer(
    delivery: Delivery,
    received: readonly Received[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const { sink, subscription, stages } = this.#options;
    const innermost: Apply = async (batch) => {
      // Again before each attempt: partitions may have moved while a store was down.
      if (!subscription.isCurrent(delivery)) throw MOVED;
      if (this.#generation !== delivery.generation) sink.forget?.();
      this.#generation = delivery.generation;
      try {
        return await sink.apply(batch.map(({ change }) => change));
      } catch (error) {
        sink.forget?.();
        throw error;
      }
    };
    return chain(stages, innermost)(received, signal);
  }
}

function sizesOf({ records }: Delivery): Pick<BatchResult, 'received' | 'bytes' | 'newestMs'> {
  let [bytes, newestMs] = [0, 0];
  for (const { value, timestampMs } of records) {
    bytes += value?.byteLength ?? 0;
    newestMs = Math.max(newestMs, timestampMs);
  }
  return { received: records.length, bytes, newestMs };
}
