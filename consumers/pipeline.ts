import { messageOf } from '../core/errors.ts';
import { retry } from '../core/retry.ts';
import type { Service } from '../core/service.ts';
import type { Subscription } from '../log/log.ts';
import { decode } from './decode.ts';
import { Inbox } from './inbox.ts';
import type { PipelineOptions } from './pipeline-options.ts';
import { StoreFeeder } from './store-feeder.ts';

/** A log that goes away while a pipeline starts is waited for, as it is later. */
const SUBSCRIBE = { attempts: Number.POSITIVE_INFINITY, maxDelayMs: 5_000 } as const;
/** Records that are decoded in one go; connections are not looked at meanwhile. */
const DECODED_AT_ONCE = 500;
/** Of values, decoded and waiting. They are several times as large in memory. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
/** How long a stop waits for the store's answer; a store that does not answer keeps nobody longer. */
const STOP_WITHIN_MS = 5_000;

/**
 * The one pipeline: receive → decode → (stages) → newest per key → guard → apply → commit. The last three before the
 * commit are the sink's. Each store has one of these, in a consumer group of its own.
 *
 * Two loops meet at the inbox: one receives and decodes, the other feeds the store. So what has arrived while the store was
 * busy is the next batch, and nothing waits when nothing has. A batch is committed only after everything in it has been
 * dealt with: the store has confirmed it, or it stands among the dead letters.
 */
export function createPipeline(options: PipelineOptions): Service {
  const { sink, log, group, acceptGap = false, onEvent = () => {}, logger, clock } = options;
  return {
    name: `pipeline ${options.store}`,
    run: async (signal) => {
      const subscription = await retry(
        () =>
          log.subscribe({ group, kinds: sink.kinds, maxBatchRecords: DECODED_AT_ONCE, acceptGap, onEvent }),
        {
          policy: SUBSCRIBE,
          clock,
          signal,
          onRetry: (error) =>
            logger.warn({ group, reason: messageOf(error) }, 'cannot follow the log, trying again'),
        },
      );
      try {
        await drain(subscription, options, signal);
      } finally {
        await subscription.close();
      }
    },
  };
}

async function drain(
  subscription: Subscription,
  options: PipelineOptions,
  signal: AbortSignal,
): Promise<void> {
  const { codec, maxBatchChanges } = options;
  const inbox = new Inbox();
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  stop.addEventListener('abort', () => inbox.end());
  if (stop.aborted) inbox.end();
  const feeder = new StoreFeeder({ ...options, subscription, inbox });

  const receive = async (): Promise<void> => {
    for await (const batch of subscription.batches(stop)) {
      await inbox.roomFor({ maxRecords: maxBatchChanges, maxBytes: MAX_WAITING_BYTES });
      const { records, generation } = batch;
      inbox.put(
        records.map((record) => decode(record, codec)),
        generation,
      );
      // While there is more to decode than one slice, others get their turn in between.
      if (records.length === DECODED_AT_ONCE) await new Promise(setImmediate);
    }
    inbox.end();
  };

  // Whichever fails ends the other; the first reason is told.
  const parts = [receive(), unlessTooLate(feeder.run(stop), stop, options)].map((part) =>
    part.catch((error: unknown) => {
      failed.abort(error);
      throw error;
    }),
  );
  const results = await Promise.allSettled(parts);
  if (failed.signal.aborted) throw failed.signal.reason;
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}

/** A stop does not wait for a store that does not answer: what it was offered is not committed, and is offered again. */
async function unlessTooLate(
  work: Promise<void>,
  signal: AbortSignal,
  { store, clock, logger }: PipelineOptions,
): Promise<void> {
  const over = new AbortController();
  const tooLate = async (): Promise<void> => {
    await new Promise((resolve) => {
      if (signal.aborted) resolve(undefined);
      signal.addEventListener('abort', resolve, { once: true });
      over.signal.addEventListener('abort', resolve, { once: true });
    });
    await clock.sleep(STOP_WITHIN_MS, over.signal);
    logger.warn({ store }, 'the store has not answered in time; what it was offered will be offered again');
  };
  try {
    await Promise.race([work, tooLate()]);
  } finally {
    work.catch(() => {});
    over.abort();
  }
}
