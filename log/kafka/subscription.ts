import type { Clock } from '../../core/clock.ts';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { retry } from '../../core/retry.ts';
import type { Closable } from '../../core/service.ts';
import type { SchemaName } from '../../schemas/kinds.ts';
import type { SubscriptionEvent } from '../log.ts';
import { within } from './deadline.ts';
import { kafkaError } from './errors.ts';
import { gapError } from './gap.ts';
import { GroupCommits } from './group-commits.ts';
import { Lookout } from './lookout.ts';
import { markOf } from './mark.ts';
import type { Fetched, Member, MemberEvents, Place } from './member.ts';
import type { NextOffset } from './offset-commits.ts';
import { type Plan, Reading, type Seek } from './reading.ts';
import { RecordBuffer } from './record-buffer.ts';
import { lastOfEachRun, memoryOf, placeOf, recordOf, type TopicBatch, type TopicRecord } from './records.ts';
import { Watchdog } from './watchdog.ts';
import type { Watermarks } from './watermarks.ts';

export interface SubscriptionOptions<N extends SchemaName> {
  readonly topics: ReadonlyMap<N, string>;
  readonly openMember: (events: MemberEvents) => Promise<Member>;
  /** Throws `mismatch` where the topics are not what they have to be. */
  readonly requireTopics: () => Promise<void>;
  /**
   * Where the topics begin and end, and what the group has committed. Without it nobody minds what is missing: in a
   * compacted topic it was replaced, and a group that commits nothing has nowhere to go on.
   */
  readonly readWatermarks?: () => Promise<readonly Watermarks[]>;
  /** Whether a gap that is there at the beginning is accepted. */
  readonly acceptGap?: boolean;
  /** How often the brokers are asked whether the log is still whole. */
  readonly lookEveryMs?: number;
  readonly onEvent?: (event: SubscriptionEvent) => void;
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
const LOOK_EVERY_MS = 60_000;
/** How long opening waits for a gap to be accepted. */
const ACCEPT_MS = 30_000;
/** How long a member that ends with a gap may take to say once more where the group was. */
const RESTORE_MS = 5_000;

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
  readonly #reading: Reading;
  readonly #watchdog: Watchdog;
  readonly #commits: GroupCommits;
  #generation = 0;
  /** Whether it is known where this generation has to begin. */
  #begun = false;
  #member: Member | undefined;
  /** Resolves when the gaps of the first generation are accepted, or when it has come to nothing. */
  readonly #accepted = Promise.withResolvers<void>();
  /** For the next member. */
  #pastGaps: readonly Seek[] = [];
  #failure: ChangeoverError | undefined;
  #iterated = false;
  #life: Promise<void> = Promise.resolve();

  private constructor(options: SubscriptionOptions<N>) {
    this.#options = options;
    const { clock, readWatermarks, acceptGap = false } = options;
    const closing = this.#closing.signal;
    this.#kinds = new Map(Array.from(options.topics, ([kind, topic]) => [topic, kind]));
    this.#buffer = new RecordBuffer<TopicRecord<N>>({
      maxBytes: options.maxBufferedBytes,
      bytesOf: memoryOf,
    });
    this.#reading = new Reading(acceptGap);
    const reading = this.#reading;
    this.#watchdog = new Watchdog({
      lookout: readWatermarks && new Lookout({ ...options, readWatermarks, reading, closing }),
      heartbeatMs: options.heartbeatMs,
      lookEveryMs: options.lookEveryMs ?? LOOK_EVERY_MS,
      closing,
      clock,
      member: () => this.#member,
      generation: () => (this.#begun ? this.#generation : undefined),
      endGeneration: () => this.#newGeneration(),
      seek: (seeks) => this.#seek(seeks),
      warn: (message, reason) => this.#warn(message, reason),
      onEvent: options.onEvent,
    });
    this.#commits = new GroupCommits({
      ...options,
      reading,
      closing,
      member: () => this.#member,
      generation: () => this.#generation,
      isCurrent: (generation) => this.isCurrent({ generation }),
      warn: (message, error) => this.#warn(message, error),
    });
  }

  static async open<N extends SchemaName>(options: SubscriptionOptions<N>): Promise<KafkaSubscription<N>> {
    const subscription = new KafkaSubscription(options);
    const member = await subscription.#openMember();
    subscription.#member = member;
    subscription.#life = Promise.all([subscription.#keep(member), subscription.#watchdog.run()]).then(
      () => {},
    );
    // Who accepts a gap and ends at once, because nothing is left to read, has accepted it.
    if (subscription.#pastGaps.length > 0) {
      await within({ clock: options.clock, ms: ACCEPT_MS }, subscription.#accepted.promise, () => {});
    }
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
    if (batch.generation !== this.#generation || this.#closing.signal.aborted) return false;
    return this.#watchdog.leaseHolds();
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
    joined: (assigned) => this.#joined(assigned),
    disturbed: () => this.#seek(this.#reading.readLastAgain()),
    fetched: (fetched) => this.#receive(fetched),
  };

  #newGeneration(): void {
    this.#generation += 1;
    this.#begun = false;
    this.#reading.clear();
    this.#commits.clear();
    this.#buffer.clear();
  }

  #joined(assigned: readonly Place[]): void {
    this.#newGeneration();
    this.#watchdog.joined();
    const ours = new Set(assigned.map(placeOf));
    this.#seek(this.#pastGaps.filter((seek) => ours.has(placeOf(seek))));
    this.#pastGaps = [];
    this.#options.onEvent?.({
      type: 'rebalanced',
      generation: this.#generation,
      partitions: assigned.length,
    });
    const generation = this.#generation;
    this.#begin(assigned).catch((error: unknown) => {
      if (generation === this.#generation) this.#member?.end(this.#errorOf(error));
    });
  }

  /** What the group has committed is asked for now: nobody else can commit for these partitions any more. */
  async #begin(assigned: readonly Place[]): Promise<void> {
    const { readWatermarks } = this.#options;
    const generation = this.#generation;
    if (readWatermarks !== undefined) {
      const watermarks = await readWatermarks();
      if (generation !== this.#generation) return;
      const { gaps, accepted, seeks } = this.#reading.begin(assigned, watermarks);
      this.#accept(accepted);
      if (gaps.length > 0) {
        this.#member?.end(gapError(gaps));
        return;
      }
      this.#seek(seeks);
    }
    this.#begun = true;
    this.#buffer.wake();
  }

  #seek(seeks: readonly Seek[]): void {
    for (const { offset, ...place } of seeks) this.#member?.seek(place, offset);
  }

  /** Committed at once: also where nothing follows, it is accepted for good. */
  #accept(accepted: Plan['accepted']): void {
    if (accepted.length === 0) {
      this.#accepted.resolve();
      return;
    }
    for (const { gap } of accepted) {
      this.#options.onEvent?.({ type: 'gap', accepted: true, message: gap });
      this.#warn('accepted a gap in the log', gap);
    }
    this.#commits
      .add(accepted.map(({ seek }) => seek))
      .then(() => this.#accepted.resolve())
      .catch((error: unknown) => this.#member?.end(this.#errorOf(error)));
  }

  /** Makes a new member whenever one has stopped, until closing or a failure that will not pass. */
  async #keep(first: Member): Promise<void> {
    const closing = this.#closing.signal;
    const closed = new Promise<undefined>((resolve) => {
      closing.addEventListener('abort', () => resolve(undefined), { once: true });
      if (closing.aborted) resolve(undefined);
    });
    try {
      for (let member = first; ; member = await this.#rebuild()) {
        this.#member = member;
        const reason = await Promise.race([member.stopped, closed]);
        const committed = this.#reading.lastCommitted();
        this.#member = undefined;
        this.#newGeneration();
        this.#accepted.resolve();
        if (reason?.code === 'gap') await this.#restore(member, committed);
        await member.close();
        if (reason === undefined) return;
        if (!reason.retryable) throw reason;
        this.#options.onEvent?.({ type: 'member-lost', reason: reason.message });
        this.#warn('lost the consumer group, joining again', reason);
      }
    } catch (error) {
      if (!closing.aborted) this.#fail(this.#errorOf(error));
    }
  }

  /**
   * kafkajs may have replaced what the group has committed by "the beginning", when it met the gap. It has to stand until
   * somebody accepts the gap, or the next start would find nothing wrong.
   */
  async #restore(member: Member, committed: Parameters<Member['commit']>[0]): Promise<void> {
    const { clock } = this.#options;
    const restoring = member.commit(committed).catch((error: unknown) => {
      this.#warn('cannot say again where the group was before the gap', error);
    });
    await within({ clock, ms: RESTORE_MS }, restoring, () => {});
  }

  async #rebuild(): Promise<Member> {
    const { clock } = this.#options;
    const { signal } = this.#closing;
    await clock.sleep(PAUSE_BEFORE_REBUILD_MS, signal);
    return retry(() => this.#openMember(), {
      policy: REBUILD,
      clock,
      signal,
      onRetry: (error) => this.#warn('cannot join the consumer group, trying again', error),
    });
  }

  async #openMember(): Promise<Member> {
    const { requireTopics, readWatermarks, acceptGap, openMember } = this.#options;
    await requireTopics();
    if (acceptGap === true && readWatermarks !== undefined) {
      this.#pastGaps = this.#reading.pastGaps(await readWatermarks());
    }
    return openMember(this.#events);
  }

  #fail(error: ChangeoverError): void {
    this.#failure = error;
    if (error.code === 'gap')
      this.#options.onEvent?.({ type: 'gap', accepted: false, message: error.message });
    this.#buffer.wake();
  }

  async #receive(fetched: Fetched): Promise<void> {
    const generation = this.#generation;
    const kind = this.#kinds.get(fetched.topic);
    if (kind === undefined) return;
    const records = fetched.messages.map((message) => recordOf(kind, fetched.partition, message));
    while (!this.#begun || !this.#buffer.hasRoomFor(records)) {
      await this.#roomOrHeartbeat(fetched);
      // Not taken: whoever owns the partition now fetches it again.
      if (generation !== this.#generation || this.#closing.signal.aborted) return;
    }
    if (fetched.isStale()) return;
    const take = this.#reading.take(fetched, records);
    switch (take.is) {
      case 'taken':
        fetched.taken();
        this.#put(take.records);
        break;
      case 'accepted':
        this.#accept([take]);
        this.#seek([take.seek]);
        break;
      case 'gap':
        this.#member?.end(gapError([take.gap]));
        break;
      default:
        take satisfies never;
    }
  }

  #put(records: readonly TopicRecord<N>[]): void {
    if (records.length === 0) return;
    const bytes = this.#buffer.put(records);
    this.#options.onEvent?.({ type: 'fetched', records: records.length, bytes });
  }

  async #roomOrHeartbeat(fetched: Fetched): Promise<void> {
    const { clock, heartbeatMs } = this.#options;
    if (this.#begun) this.#watchdog.keptWaiting();
    await within({ clock, ms: heartbeatMs }, this.#buffer.changed(), () => {});
    if (!this.#closing.signal.aborted) await fetched.heartbeat();
  }

  /** Where each partition of the batch has to be read next. */
  #nextOffsets(batch: TopicBatch<N>): readonly NextOffset[] {
    return lastOfEachRun(batch.records).map((record) => ({
      topic: this.#options.topics.get(record.kind) ?? '',
      partition: record.partition,
      offset: record.offset + 1,
      mark: () => markOf(record),
    }));
  }

  #errorOf(error: unknown): ChangeoverError {
    return kafkaError(error, 'read the log', this.#options.address);
  }

  #warn(message: string, reason: unknown): void {
    this.#options.logger.warn({ topics: [...this.#kinds.keys()], reason: messageOf(reason) }, message);
  }
}
