import type { Sink } from '../connectors/connector.ts';
import { ChangeoverError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { retry } from '../core/retry.ts';
import type { Service } from '../core/service.ts';
import type { Log, LogRecord, RecordBatch, Subscription } from '../log/log.ts';
import type { Codec } from '../schemas/codec.ts';
import { type Apply, chain, type Received, type Stage } from './stage.ts';

export interface PipelineOptions {
  /** The store's name; with the log's prefix it makes the consumer group. */
  readonly store: string;
  readonly group: string;
  readonly sink: Sink;
  readonly log: Log;
  readonly codec: Codec;
  readonly logger: Logger;
  /** From the outermost to the one next to the sink. */
  readonly stages: readonly Stage[];
  /** Upper bound on the changes that are offered to the store at once. */
  readonly maxBatchChanges: number;
  /** Whether to go on where records have expired before this store had them. */
  readonly acceptGap?: boolean;
}

/** A log that goes away while a pipeline starts is waited for, as it is later. */
const SUBSCRIBE = { attempts: Number.POSITIVE_INFINITY, maxDelayMs: 5_000 } as const;

/**
 * The one pipeline: receive → decode → (stages) → newest per key → guard → apply → commit. The last three before the
 * commit are the sink's. Each store has one of these, in a consumer group of its own.
 *
 * While the store applies a batch, the next one is received and decoded, so what has arrived meanwhile is the next
 * batch, and nothing waits when nothing has. A batch is committed only after the store confirmed all of it.
 */
export function createPipeline(options: PipelineOptions): Service {
  const { sink, log, group, maxBatchChanges, acceptGap = false, logger } = options;
  const apply = chain(options.stages, (batch) => sink.apply(batch.map(({ change }) => change)));
  return {
    name: `pipeline ${options.store}`,
    run: async (signal) => {
      const subscription = await retry(
        () => log.subscribe({ group, kinds: sink.kinds, maxBatchRecords: maxBatchChanges, acceptGap }),
        {
          policy: SUBSCRIBE,
          signal,
          onRetry: (error) =>
            logger.warn({ group, reason: messageOf(error) }, 'cannot follow the log, trying again'),
        },
      );
      try {
        await drain(subscription, apply, options, signal);
      } finally {
        await subscription.close();
      }
    },
  };
}

async function drain(
  subscription: Subscription,
  apply: Apply,
  { codec, logger }: PipelineOptions,
  signal: AbortSignal,
): Promise<void> {
  // The batch that the store has now. Its error is thrown where it is awaited, at the latest when iteration ends.
  let underWay: Promise<void> = Promise.resolve();
  // Nobody waits for a commit before the next batch is applied: it says only what need not be applied again.
  let committed: Promise<void> = Promise.resolve();
  const failed = new AbortController();
  try {
    for await (const batch of subscription.batches(AbortSignal.any([signal, failed.signal]))) {
      const received = batch.records.map((record) => decodeRecord(record, codec));
      await underWay;
      underWay = applyAndCommit(batch, received);
      // So that a store that fails while the log is silent ends the wait for the next batch.
      underWay.catch(() => failed.abort());
    }
  } finally {
    // Nothing of ours is under way any more when the subscription is closed, whatever ended the loop.
    await Promise.allSettled([underWay]);
    await Promise.allSettled([committed]);
  }
  await underWay;
  await committed;

  async function applyAndCommit(batch: RecordBatch, received: readonly Received[]): Promise<void> {
    if (!subscription.isCurrent(batch)) {
      logger.info(
        { records: batch.records.length },
        'partitions moved; their records will be delivered again',
      );
      return;
    }
    await apply(received, signal);
    const commit = subscription.commit(batch);
    committed = Promise.all([committed, commit]).then(() => {});
    committed.catch(() => failed.abort());
  }
}

function decodeRecord(record: LogRecord, codec: Codec): Received {
  const { kind, key, partition, offset, value } = record;
  try {
    if (value === null) throw new Error(`The record of ${kind} ${key} has no value`);
    return { record, change: codec.decode(kind, key, value) };
  } catch (error) {
    throw new ChangeoverError(
      'change-rejected',
      `${messageOf(error)} (partition ${partition}, offset ${offset})`,
      { hint: 'Look at who writes to that topic: only changeover may.', cause: error },
    );
  }
}
