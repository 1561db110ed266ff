import { type Outcome, STALE } from '../connectors/connector.ts';
import { isRetryable } from '../core/errors.ts';
import type { Claim, Subscription } from '../log/log.ts';
import { BatchLimit } from './batch-limit.ts';
import { isReceived } from './decode.ts';
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
  /** What has been applied and not yet committed: if its partitions go to others now, they need not apply it again. */
  #applied: Claim[] = [];

  constructor(options: StoreFeederOptions) {
    this.#options = options;
    this.#limit = new BatchLimit(options.maxBatchChanges, MAX_BATCH_MS);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { inbox } = this.#options;
    const bounds = () => ({ maxRecords: this.#limit.changes, maxBytes: MAX_BATCH_BYTES });
    // A commit that fails for good ends the inbox. To race with a promise for it would keep every delivery alive: a promise
    // that is still pending holds whatever it was raced with.
    for (let next = await inbox.take(bounds); next !== undefined; next = await inbox.take(bounds)) {
      await this.#deal(next, signal);
    }
    await this.#committed;
  }

  async #deal(delivery: Delivery, signal: AbortSignal): Promise<void> {
    const { inbox, subscription, onBatch } = this.#options;
    let commit = Promise.resolve();
    try {
      const result = await this.#apply(delivery, signal);
      if (result === undefined) return;
      commit = subscription.commit(delivery);
      onBatch?.(result);
    } finally {
      const claims = this.#applied;
      this.#applied = [];
      const released = commit.finally(() => {
        for (const claim of claims) claim.release();
      });
      this.#committed = Promise.all([this.#committed, released]).then(() => {});
      this.#committed.catch(() => inbox.end());
    }
  }

  /** Undefined where the partitions have moved, or the stop came first: it will be delivered again. */
  async #apply(delivery: Delivery, signal: AbortSignal): Promise<BatchResult | undefined> {
    const { clock, logger, refuse } = this.#options;
    const received: Received[] = [];
    const refused: Refused[] = [];
    for (const each of delivery.decoded) {
      if (isReceived(each)) received.push(each);
      else refused.push(each);
    }
    const startedMs = clock.elapsedMs();
    try {
      const outcomes = received.length === 0 ? [] : await this.#offer(delivery, received, signal);
      if (this.#applied.length === 0) this.#claimOnly(delivery);
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

  /** Where nothing was for the store, the offsets still are ours to commit only while no batch before was put aside. */
  #claimOnly(delivery: Delivery): void {
    const claim = this.#options.subscription.claim(delivery);
    if (claim === undefined) throw MOVED;
    this.#applied.push(claim);
  }

  #offer(
    delivery: Delivery,
    received: readonly Received[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const { sink, subscription, stages } = this.#options;
    const innermost: Apply = async (batch) => {
      // Again for each attempt: partitions may have moved while a store was down.
      const claim = subscription.claim(delivery);
      if (claim === undefined) throw MOVED;
      if (this.#generation !== delivery.generation) sink.forget?.();
      this.#generation = delivery.generation;
      try {
        const outcomes = await sink.apply(
          batch.map(({ change }) => change),
          claim,
        );
        this.#applied.push(claim);
        return outcomes;
      } catch (error) {
        claim.release();
        sink.forget?.();
        throw subscription.isCurrent(delivery) ? error : MOVED;
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
