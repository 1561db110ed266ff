import type { Clock } from '../../core/clock.ts';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Closable } from '../../core/service.ts';
import type { DeadLetterCodec, EncodedLetter } from '../dead-letter-codec.ts';
import type { DeadLetter, DeadLetterTopic } from '../log.ts';
import { within } from './deadline.ts';
import { type Lane, MAX_BATCH_RECORDS } from './lane.ts';
import type { TopicRecord } from './records.ts';
import type { KafkaSubscription } from './subscription.ts';

export interface DeadLettersOptions {
  readonly topic: string;
  readonly codec: DeadLetterCodec;
  readonly lane: Lane;
  readonly maxBatchBytes: number;
  /** The greatest record that the topic takes. Throws `mismatch` when the topic is not there. */
  readonly readMaxRecordBytes: () => Promise<number>;
  /** The offset behind the last record, of each partition that holds any. */
  readonly readEnds: () => Promise<ReadonlyMap<number, number>>;
  /** A reader of its own of the whole topic; nothing that it reads is committed. */
  readonly subscribe: () => Promise<KafkaSubscription<'dead-letter'>>;
  readonly closeTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const READ_TIMEOUT_MS = 120_000;

/** Letters are written through a lane of their own, and read from the beginning whenever somebody asks. */
export class KafkaDeadLetters implements DeadLetterTopic, Closable {
  readonly #options: DeadLettersOptions;
  readonly #closing = new AbortController();
  #maxRecordBytes: Promise<number> | undefined;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  async write(letters: readonly DeadLetter[]): Promise<void> {
    this.#refuseClosed();
    const { codec } = this.#options;
    const maxBytes = await this.#maxBytes();
    const encoded = letters.map((letter) => codec.encode(letter, maxBytes));
    const byPartition = Map.groupBy(encoded, ({ partition }) => partition);
    await Promise.all(
      Array.from(byPartition, ([partition, mine]) =>
        Promise.all(this.#parcels(mine).map((parcel) => this.#send(partition, parcel))),
      ),
    );
  }

  async read(keepPayload: (letter: DeadLetter) => boolean = () => false): Promise<readonly DeadLetter[]> {
    this.#refuseClosed();
    await this.#maxBytes();
    const { clock, topic, readEnds, subscribe } = this.#options;
    const ends = await readEnds();
    if (ends.size === 0) return [];
    const subscription = await subscribe();
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#closing.signal]);
    try {
      const letters = await within(
        { clock, ms: READ_TIMEOUT_MS },
        this.#readUpTo(ends, subscription, signal, keepPayload),
        () => {
          throw new ChangeoverError('timeout', `Reading ${topic} took over ${READ_TIMEOUT_MS} ms.`);
        },
      );
      this.#refuseClosed();
      return letters;
    } finally {
      stop.abort();
      await subscription.close();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const { lane, clock, closeTimeoutMs } = this.#options;
    await within({ clock, ms: closeTimeoutMs }, lane.close(), () => {
      lane.abandon(
        new ChangeoverError('aborted', 'The log was closed before Kafka confirmed the dead letters.'),
      );
    });
  }

  #refuseClosed(): void {
    if (this.#closing.signal.aborted) throw new ChangeoverError('aborted', 'The log is closed.');
  }

  /** Asked once; again only after a failure. */
  #maxBytes(): Promise<number> {
    this.#maxRecordBytes ??= this.#options.readMaxRecordBytes().catch((error: unknown) => {
      this.#maxRecordBytes = undefined;
      throw error;
    });
    return this.#maxRecordBytes;
  }

  #parcels(letters: readonly EncodedLetter[]): readonly (readonly EncodedLetter[])[] {
    const parcels: EncodedLetter[][] = [];
    let [records, bytes] = [0, 0];
    for (const letter of letters) {
      const last = parcels.at(-1);
      if (
        last === undefined ||
        records === MAX_BATCH_RECORDS ||
        bytes + letter.bytes > this.#options.maxBatchBytes
      ) {
        parcels.push([letter]);
        [records, bytes] = [1, letter.bytes];
      } else {
        last.push(letter);
        [records, bytes] = [records + 1, bytes + letter.bytes];
      }
    }
    return parcels;
  }

  async #send(partition: number, letters: readonly EncodedLetter[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { lane, topic } = this.#options;
    lane.enqueue({
      topic,
      partition,
      messages: letters.map(({ key, value }) => ({ key, value, partition })),
      bytes: letters.reduce((sum, { bytes }) => sum + bytes, 0),
      settle: (error) => (error === undefined ? resolve() : reject(error)),
    });
    await promise;
  }

  async #readUpTo(
    ends: ReadonlyMap<number, number>,
    subscription: KafkaSubscription<'dead-letter'>,
    signal: AbortSignal,
    keepPayload: (letter: DeadLetter) => boolean,
  ): Promise<readonly DeadLetter[]> {
    let letters: DeadLetter[] = [];
    let left = new Set(ends.keys());
    let generation: number | undefined;
    for await (const batch of subscription.batches(signal)) {
      // Nothing is ever committed, so a new generation begins at the beginning.
      if (batch.generation !== generation) {
        generation = batch.generation;
        letters = [];
        left = new Set(ends.keys());
      }
      for (const record of batch.records) {
        const end = ends.get(record.partition) ?? 0;
        if (record.offset >= end - 1) left.delete(record.partition);
        if (record.offset >= end) continue;
        const letter = this.#decoded(record);
        if (letter === undefined) continue;
        letters.push(letter.payload === null || keepPayload(letter) ? letter : { ...letter, payload: null });
      }
      if (left.size === 0) return letters;
    }
    throw new ChangeoverError('aborted', 'The log is closed.');
  }

  /** What somebody else has written there keeps nobody from reading the letters. */
  #decoded({ key, value, partition, offset }: TopicRecord<'dead-letter'>): DeadLetter | undefined {
    const { codec, logger } = this.#options;
    try {
      if (value === null) throw new Error('it has no value');
      return codec.decode(key, value);
    } catch (error) {
      logger.warn({ partition, offset, reason: messageOf(error) }, 'passed over what is no dead letter');
      return undefined;
    }
  }
}
