import type { Clock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Closable } from '../../core/service.ts';
import { Watchers } from '../../core/watchers.ts';
import { RECORD_OVERHEAD_BYTES } from '../../schemas/record-size.ts';
import type { ControlCodec } from '../control-codec.ts';
import type { ControlRecord, ControlTopic } from '../log.ts';
import { within } from './deadline.ts';
import type { Lane } from './lane.ts';
import type { TopicBatch } from './records.ts';
import type { KafkaSubscription } from './subscription.ts';

export interface ControlOptions {
  readonly topic: string;
  readonly codec: ControlCodec;
  readonly writer: string;
  readonly maxRecordBytes: number;
  readonly lane: Lane;
  /** Throws `mismatch` when the topic is not there. */
  readonly requireTopic: () => Promise<void>;
  /** A reader of its own of the whole topic; nothing that it reads is committed. */
  readonly subscribe: () => Promise<KafkaSubscription<'control'>>;
  /** The first offset that is still there, and the one that the next record will get. */
  readonly readEnds: () => Promise<{ readonly start: number; readonly end: number }>;
  readonly closeTimeoutMs: number;
  readonly clock: Clock;
}

const PARTITION = 0;
const READ_TIMEOUT_MS = 60_000;

/** What one reader has seen of the topic from its beginning on. */
class Follower {
  readonly facts = new Map<string, ControlRecord>();
  #generation: number | undefined;
  #position = 0;
  #failure: unknown;
  readonly #watchers = new Watchers();
  readonly #codec: ControlCodec;

  constructor(codec: ControlCodec) {
    this.#codec = codec;
  }

  apply({ generation, records }: TopicBatch<'control'>): void {
    // Nothing is ever committed, so a new generation begins at the beginning.
    if (generation !== this.#generation) {
      this.#generation = generation;
      this.#position = 0;
      this.facts.clear();
    }
    for (const { key, value, offset } of records) {
      if (value === null) this.facts.delete(key);
      else this.facts.set(key, this.#codec.decode(key, value));
      this.#position = offset + 1;
    }
    this.#watchers.wake();
  }

  fail(error: unknown): void {
    this.#failure = error;
    this.#watchers.wake();
  }

  /** Resolves when everything before `end` has been seen. */
  async reach(end: number): Promise<void> {
    while (this.#position < end) {
      if (this.#failure !== undefined) throw this.#failure;
      await this.#watchers.changed();
    }
  }
}

/**
 * Writes go through a lane of their own. The first read starts a follower of the whole topic, which stays: a later
 * read asks where the topic ends now, waits until the follower is there, and answers from memory. (The last record is
 * always there to be seen: compaction never touches the segment that is being written.)
 */
export class KafkaControl implements ControlTopic, Closable {
  readonly #options: ControlOptions;
  readonly #closing = new AbortController();
  #following: Promise<Follower> | undefined;
  #subscription: KafkaSubscription<'control'> | undefined;
  #reading: Promise<void> = Promise.resolve();
  #ready: Promise<void> | undefined;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  async write(subject: string, body: unknown): Promise<void> {
    const { codec, writer, clock, maxRecordBytes } = this.#options;
    this.#refuseClosed();
    // Encoded before anything is waited for: it says what is the case now.
    const value = codec.encode({ subject, body, writer, writtenAt: clock.nowUs() });
    const key = Buffer.from(subject);
    const bytes = key.byteLength + (value?.byteLength ?? 0) + RECORD_OVERHEAD_BYTES;
    if (bytes > maxRecordBytes) {
      throw new ChangeoverError(
        'change-rejected',
        `The fact ${subject} has ${bytes} bytes: too much for the topic.`,
      );
    }
    await this.#prepared();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const settle = (error?: unknown): void => (error === undefined ? resolve() : reject(error));
    const messages = [{ key, value, partition: PARTITION }];
    this.#options.lane.enqueue({ topic: this.#options.topic, partition: PARTITION, messages, bytes, settle });
    await promise;
  }

  async read(prefix: string): Promise<ReadonlyMap<string, ControlRecord>> {
    this.#refuseClosed();
    await this.#prepared();
    const { clock, topic, readEnds } = this.#options;
    const { start, end } = await readEnds();
    if (start === end) return new Map();
    const follower = await this.#follow();
    await within({ clock, ms: READ_TIMEOUT_MS }, follower.reach(end), () => {
      throw new ChangeoverError(
        'timeout',
        `Reading ${topic} up to offset ${end} took over ${READ_TIMEOUT_MS} ms.`,
      );
    });
    return new Map(Array.from(follower.facts).filter(([subject]) => subject.startsWith(prefix)));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const { lane, clock, closeTimeoutMs } = this.#options;
    await within({ clock, ms: closeTimeoutMs }, lane.close(), () => {
      lane.abandon(new ChangeoverError('aborted', 'The log was closed before Kafka confirmed the fact.'));
    });
    await this.#following?.catch(() => {});
    await this.#subscription?.close();
    await this.#reading;
  }

  #refuseClosed(): void {
    if (this.#closing.signal.aborted) throw new ChangeoverError('aborted', 'The log is closed.');
  }

  /** Asks once; again only after a failure. All that wait go on in the order in which they came. */
  #prepared(): Promise<void> {
    this.#ready ??= this.#options.requireTopic().catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  /** The one follower; a new one after it has failed. */
  #follow(): Promise<Follower> {
    this.#following ??= this.#startFollower().catch((error: unknown) => {
      this.#following = undefined;
      throw error;
    });
    return this.#following;
  }

  async #startFollower(): Promise<Follower> {
    const subscription = await this.#options.subscribe();
    this.#subscription = subscription;
    const follower = new Follower(this.#options.codec);
    this.#reading = this.#readInto(follower, subscription);
    return follower;
  }

  async #readInto(follower: Follower, subscription: KafkaSubscription<'control'>): Promise<void> {
    try {
      for await (const batch of subscription.batches(this.#closing.signal)) follower.apply(batch);
      follower.fail(new ChangeoverError('aborted', 'The log is closed.'));
    } catch (error) {
      this.#following = undefined;
      follower.fail(error);
      await subscription.close();
    }
  }
}
