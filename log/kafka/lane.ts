import type { Clock } from '../../core/clock.ts';
import { ChangeoverError, isRetryable, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { retry } from '../../core/retry.ts';
import { type Closable, unlessAborted } from '../../core/service.ts';
import { type LaneMessage, type LaneProducer, StuckSend } from './lane-producer.ts';

/** Messages of one partition that are sent together or not at all, at most `MAX_BATCH_RECORDS` of them. */
export interface Parcel {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly LaneMessage[];
  readonly bytes: number;
  /** Called once: without an error when the messages are durable. */
  readonly settle: (error?: unknown) => void;
}

export interface LaneOptions {
  readonly openProducer: () => Promise<LaneProducer>;
  readonly maxBatchBytes: number;
  readonly deliveryTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** After so many records the producer is changed for a new one, before its numbers run over. */
  readonly recordsPerProducer?: number;
}

/** So that no batch holds up the others of its lane for long. */
export const MAX_BATCH_RECORDS = 1_000;
/** kafkajs wraps the sequence number to 0 a batch too early (producer/eosManager), and the broker refuses that. */
const RECORDS_PER_PRODUCER = 2 ** 31 - 2 ** 24;
const RETRY = { attempts: Number.POSITIVE_INFINITY, initialDelayMs: 50, maxDelayMs: 2_000 } as const;

/**
 * One stream of records into Kafka, in which nothing is lost, doubled or overtaken while it lives.
 *
 * The broker recognises a repetition by the producer's id and a sequence number per partition. kafkajs takes the
 * numbers when it sends and gives them back when the send fails. From this follow five rules:
 *
 * 1. *One outstanding send.* When one of two fails, the other one takes its numbers; if the failed one had been written
 *    after all, the broker takes the other one for a repetition: confirmed, and lost. (Measured: 50 lost per 100
 *    connection resets.)
 * 2. *One partition per send.* The parts of a wider send may go to several brokers, and when one part fails, kafkajs
 *    may send a part that had succeeded again under new numbers (doubled), or leave out one whose partition has moved
 *    to a broker that had answered for others (confirmed, and lost).
 * 3. *A failure that may pass is repeated with exactly the same messages by the same producer*, for as long as it takes:
 *    the batch may have been written, or may still be on its way, and only as a repetition is it harmless then.
 *    Nothing else is sent in the meantime.
 * 4. *When a batch is given up, everything that waits behind it is given up too, and the producer with it.* So nothing
 *    overtakes it, and no other batch comes under its numbers. Callers who publish again keep their order.
 * 5. *A send that never ends* (kafkajs can forget a request) counts as failed once its producer has been cut off from
 *    the network. Its repetition by a new producer may double the batch; nothing is lost or overtaken.
 *
 * What this cannot exclude: a given-up batch that lay in the network all the time and arrives after what its callers
 * published next. The version guard in the stores makes that harmless, as it does for a writer that was killed.
 *
 * Batching is natural: what has arrived for a partition during one send is its next batch. Nothing waits on purpose.
 */
export class Lane implements Closable {
  readonly #options: LaneOptions;
  /** What waits, by topic and partition; the partition that comes next is first. */
  readonly #queues = new Map<string, Parcel[]>();
  readonly #abandoned = new AbortController();
  #producer: LaneProducer | undefined;
  #recordsOfProducer = 0;
  #sending = false;
  #running = false;
  #work: Promise<void> = Promise.resolve();

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Makes the connection now, so that what is wrong shows before the first record. */
  async open(): Promise<void> {
    await this.#connected();
  }

  enqueue(parcel: Parcel): void {
    if (this.#abandoned.signal.aborted) {
      parcel.settle(this.#abandoned.signal.reason);
      return;
    }
    const id = `${parcel.topic}/${parcel.partition}`;
    const queue = this.#queues.get(id);
    if (queue === undefined) this.#queues.set(id, [parcel]);
    else queue.push(parcel);
    if (!this.#running) this.#work = this.#run();
  }

  /** Gives up whatever is not confirmed yet, and everything that comes later. */
  abandon(reason: ChangeoverError): void {
    this.#abandoned.abort(reason);
  }

  /** Waits for what is under way; call `abandon` to cut that short. */
  async close(): Promise<void> {
    await this.#work;
    this.abandon(new ChangeoverError('aborted', 'The publisher is closed.'));
    await this.#dropProducer();
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Calls made in the same breath share the first batch.
    await Promise.resolve();
    for (let batch = this.#nextBatch(); batch !== undefined; batch = this.#nextBatch()) {
      try {
        await this.#deliver(batch);
      } catch (error) {
        this.#giveUp(batch, error);
        continue;
      }
      for (const parcel of batch) parcel.settle();
    }
    this.#running = false;
  }

  /** The oldest parcels of the partition whose turn it is, as many as fit; undefined when nothing waits. */
  #nextBatch(): readonly Parcel[] | undefined {
    const [entry] = this.#queues;
    if (entry === undefined) return undefined;
    const [id, queue] = entry;
    let records = 0;
    let bytes = 0;
    const tooMany = queue.findIndex((parcel, index) => {
      records += parcel.messages.length;
      bytes += parcel.bytes;
      return index > 0 && (records > MAX_BATCH_RECORDS || bytes > this.#options.maxBatchBytes);
    });
    this.#queues.delete(id);
    if (tooMany < 0) return queue;
    this.#queues.set(id, queue.slice(tooMany));
    return queue.slice(0, tooMany);
  }

  async #deliver(batch: readonly Parcel[]): Promise<void> {
    const { clock, deliveryTimeoutMs, logger } = this.#options;
    const { topic, partition } = first(batch);
    // Made once: a repetition has to be the very same batch.
    const messages = batch.length === 1 ? first(batch).messages : batch.flatMap((parcel) => parcel.messages);
    const giveUpAt = clock.elapsedMs() + deliveryTimeoutMs;
    await retry(() => unlessAborted(this.#send(topic, partition, messages), this.#abandoned.signal), {
      policy: RETRY,
      clock,
      signal: this.#abandoned.signal,
      retryable: (error) => isRetryable(error) && clock.elapsedMs() < giveUpAt,
      onRetry: (error, attempt) => {
        logger.warn(
          { topic, partition, attempt, reason: messageOf(error) },
          'publishing again what was not confirmed',
        );
      },
    });
    this.#recordsOfProducer += messages.length;
  }

  async #send(topic: string, partition: number, messages: readonly LaneMessage[]): Promise<void> {
    if (this.#sending) throw new ChangeoverError('internal', 'A lane has two outstanding sends.');
    this.#sending = true;
    try {
      // Only here, between two batches that are both confirmed, may the producer be changed.
      const limit = this.#options.recordsPerProducer ?? RECORDS_PER_PRODUCER;
      const used = this.#recordsOfProducer;
      if (used > 0 && used + messages.length > limit) await this.#dropProducer();
      const producer = await this.#connected();
      await producer.send(topic, partition, messages);
    } catch (error) {
      if (error instanceof StuckSend) await this.#dropProducer();
      throw error;
    } finally {
      this.#sending = false;
    }
  }

  async #connected(): Promise<LaneProducer> {
    if (this.#producer !== undefined) return this.#producer;
    const producer = await this.#options.openProducer();
    if (this.#abandoned.signal.aborted) {
      await producer.close();
      throw this.#abandoned.signal.reason;
    }
    this.#producer = producer;
    return producer;
  }

  #giveUp(batch: readonly Parcel[], error: unknown): void {
    const waiting = Array.from(this.#queues.values()).flat();
    this.#queues.clear();
    this.#dropProducer().catch(() => {});
    for (const parcel of [...batch, ...waiting]) parcel.settle(error);
  }

  async #dropProducer(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    this.#recordsOfProducer = 0;
    await producer?.close();
  }
}

function first(batch: readonly Parcel[]): Parcel {
  const [parcel] = batch;
  if (parcel === undefined) throw new ChangeoverError('internal', 'A batch without parcels.');
  return parcel;
}
