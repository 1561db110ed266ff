import type { Clock } from '../../core/clock.ts';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { retry } from '../../core/retry.ts';
import type { Closable } from '../../core/service.ts';
import type { SchemaName } from '../../schemas/kinds.ts';
import { within } from './deadline.ts';
import { isGenerationOver, kafkaError } from './errors.ts';
import { gapError } from './gap.ts';
import type { Fetched, GroupMember, MemberEvents, NextOffset } from './member.ts';
import { OffsetCommits } from './offset-commits.ts';
import { RecordBuffer } from './record-buffer.ts';
import { lastOfEachRun, memoryOf, placeOf, recordOf, type TopicBatch, type TopicRecord } from './records.ts';

export interface SubscriptionOptions<N extends SchemaName> {
  readonly topics: ReadonlyMap<N, string>;
  readonly openMember: (events: MemberEvents) => Promise<GroupMember>;
  /** Whether offsets may be missing because newer records of the same keys replaced them. */
  readonly compacted: boolean;
  readonly maxBatchRecords: number;
  readonly maxBufferedBytes: number;
  readonly heartbeatMs: number;
  readonly address: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const REBUILD = { attempts: Number.POSITIVE_INFINITY, initialDelayMs: 200, maxDelayMs: 5_000 } as const;
/** So that a member that joins and fails at once does not do so in a hot loop. */
const PAUSE_BEFORE_REBUILD_MS = 300;
const COMMIT = { attempts: 15, initialDelayMs: 50, maxDelayMs: 2_000 } as const;

/**
 * What a reader sees of a consumer group, for as long as it wants to read, whatever becomes of single members.
 *
 * States: *reading*, until *closing* (by the reader) or *failed* (for a reason that will not pass; the reader is told).
 * While reading there is a generation, a number that grows with every assignment and with every loss of the member. In
 * the buffer there are only records of the current one.
 */
export class KafkaSubscription<N extends SchemaName> implements Closable {
  readonly #options: SubscriptionOptions<N>;
  readonly #kinds: ReadonlyMap<string, N>;
  readonly #buffer: RecordBuffer<TopicRecord<N>>;
  readonly #closing = new AbortController();
  #generation = 0;
  #member: GroupMember | undefined;
  #failure: ChangeoverError | undefined;
  #iterated = false;
  /** The offset behind what this generation has taken, by topic and partition. */
  readonly #taken = new Map<string, number>();
  readonly #commits: OffsetCommits;
  #life: Promise<void> = Promise.resolve();

  private constructor(options: SubscriptionOptions<N>) {
    this.#options = options;
    this.#kinds = new Map(Array.from(options.topics, ([kind, topic]) => [topic, kind]));
    this.#buffer = new RecordBuffer<TopicRecord<N>>({
      maxBytes: options.maxBufferedBytes,
      bytesOf: memoryOf,
    });
    this.#commits = new OffsetCommits({
      clock: options.clock,
      closing: this.#closing.signal,
      send: (offsets) => this.#commit(offsets),
    });
  }

  static async open<N extends SchemaName>(options: SubscriptionOptions<N>): Promise<KafkaSubscription<N>> {
    const subscription = new KafkaSubscription(options);
    const member = await options.openMember(subscription.#events);
    subscription.#life = subscription.#keep(member);
    return subscription;
  }

  async *batches(signal: AbortSignal): AsyncIterable<TopicBatch<N>> {
    if (this.#iterated) throw new ChangeoverError('internal', 'A subscription is iterated once.');
    this.#iterated = true;
    const wake = (): void => this.#buffer.wake();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted && !this.#closing.signal.aborted) {
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#buffer.isEmpty) await this.#buffer.changed();
        // Taken and labelled without a pause in between.
        else
          yield { records: this.#buffer.take(this.#options.maxBatchRecords), generation: this.#generation };
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  isCurrent(batch: Pick<TopicBatch<N>, 'generation'>): boolean {
    return batch.generation === this.#generation && !this.#closing.signal.aborted;
  }

  async commit(batch: TopicBatch<N>): Promise<void> {
    if (!this.isCurrent(batch)) return;
    await this.#commits.add(this.#nextOffsets(batch));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#buffer.wake();
    await this.#life;
  }

  readonly #events: MemberEvents = {
    joined: () => this.#newGeneration(),
    fetched: (fetched) => this.#receive(fetched),
  };

  #newGeneration(): void {
    this.#generation += 1;
    this.#taken.clear();
    this.#commits.clear();
    this.#buffer.clear();
  }

  /** Makes a new member whenever one has stopped, until closing or a failure that will not pass. */
  async #keep(first: GroupMember): Promise<void> {
    const closing = this.#closing.signal;
    const closed = new Promise<undefined>((resolve) => {
      closing.addEventListener('abort', () => resolve(undefined), { once: true });
      if (closing.aborted) resolve(undefined);
    });
    try {
      for (let member = first; ; member = await this.#rebuild()) {
        this.#member = member;
        const reason = await Promise.race([member.stopped, closed]);
        this.#member = undefined;
        this.#newGeneration();
        await member.close();
        if (reason === undefined) return;
        if (!reason.retryable) throw reason;
        this.#warn('lost the consumer group, joining again', reason);
      }
    } catch (error) {
      if (!closing.aborted) this.#fail(kafkaError(error, 'read the log', this.#options.address));
    }
  }

  async #rebuild(): Promise<GroupMember> {
    const { clock, openMember } = this.#options;
    const { signal } = this.#closing;
    await clock.sleep(PAUSE_BEFORE_REBUILD_MS, signal);
    return retry(() => openMember(this.#events), {
      policy: REBUILD,
      clock,
      signal,
      onRetry: (error) => this.#warn('cannot join the consumer group, trying again', error),
    });
  }

  #fail(error: ChangeoverError): void {
    this.#failure = error;
    this.#buffer.wake();
  }

  async #receive(fetched: Fetched): Promise<void> {
    const generation = this.#generation;
    const kind = this.#kinds.get(fetched.topic);
    if (kind === undefined) return;
    const records = fetched.messages.map((message) => recordOf(kind, fetched.partition, message));
    while (!this.#buffer.hasRoomFor(records)) {
      await this.#roomOrHeartbeat(fetched);
      // Not taken: whoever owns the partition now fetches it again.
      if (generation !== this.#generation || this.#closing.signal.aborted) return;
    }
    const place = placeOf(fetched);
    const jump = this.#jump(fetched, this.#taken.get(place), records[0]?.offset);
    if (jump !== undefined) {
      fetched.stop(jump);
      return;
    }
    this.#taken.set(place, fetched.nextOffset);
    fetched.taken();
    this.#buffer.put(records);
  }

  /**
   * Offsets of changes follow each other without a gap. Where they do not, records have expired or the topic was
   * recreated, and kafkajs has gone to the beginning by itself; nobody may read on as if nothing had happened.
   */
  #jump(
    { topic, partition }: Fetched,
    expected: number | undefined,
    found: number | undefined,
  ): ChangeoverError | undefined {
    if (expected === undefined || found === undefined || found === expected) return undefined;
    if (found > expected && this.#options.compacted) return undefined;
    const where = `${topic}, partition ${partition}`;
    const what =
      found > expected
        ? `offsets ${expected} to ${found - 1} are missing`
        : `it goes on at offset ${found} instead of ${expected}`;
    return gapError(`${where}: ${what}`);
  }

  async #roomOrHeartbeat(fetched: Fetched): Promise<void> {
    const { clock, heartbeatMs } = this.#options;
    await within({ clock, ms: heartbeatMs }, this.#buffer.changed(), () => {});
    if (!this.#closing.signal.aborted) await fetched.heartbeat();
  }

  async #commit(offsets: readonly NextOffset[]): Promise<void> {
    const { clock, address } = this.#options;
    const generation = this.#generation;
    await retry(
      async () => {
        if (!this.isCurrent({ generation })) return;
        try {
          await this.#member?.commit(offsets);
        } catch (error) {
          if (!isGenerationOver(error)) throw kafkaError(error, 'commit what was read', address);
          this.#options.logger.debug(
            { reason: messageOf(error) },
            'dropped a commit: the group was shared out anew',
          );
        }
      },
      {
        policy: COMMIT,
        clock,
        onRetry: (error) => this.#warn('cannot commit, trying again', error),
      },
    );
  }

  /** Where each partition of the batch has to be read next. */
  #nextOffsets(batch: TopicBatch<N>): readonly NextOffset[] {
    return lastOfEachRun(batch.records).map(({ kind, partition, offset }) => ({
      topic: this.#options.topics.get(kind) ?? '',
      partition,
      offset: offset + 1,
    }));
  }

  #warn(message: string, error: unknown): void {
    this.#options.logger.warn({ topics: [...this.#kinds.keys()], reason: messageOf(error) }, message);
  }
}
