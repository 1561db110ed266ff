import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Closable } from '../../core/service.ts';
import type { SchemaName } from '../../schemas/kinds.ts';
import type { Claim } from '../log.ts';
import { Claims } from './claims.ts';
import { within } from './deadline.ts';
import { kafkaError } from './errors.ts';
import { gapError } from './gap.ts';
import { GroupCommits } from './group-commits.ts';
import type { Hidden } from './hidden.ts';
import { Intake, type IntakeOptions } from './intake.ts';
import { Lookout } from './lookout.ts';
import { markOf } from './mark.ts';
import type { Member, MemberEvents, Place } from './member.ts';
import { Membership } from './membership.ts';
import type { NextOffset } from './offset-commits.ts';
import { type Plan, Reading, type Seek } from './reading.ts';
import { lastOfEachRun, type TopicBatch } from './records.ts';
import type { SubscriptionOptions } from './subscription-options.ts';
import { Watchdog } from './watchdog.ts';

const LOOK_EVERY_MS = 60_000;
/** How long opening waits for a gap to be accepted. */
const ACCEPT_MS = 30_000;
/**
 * What a reader sees of a consumer group, for as long as it wants to read, whatever becomes of single members.
 *
 * States: *reading*, until *closing* (by the reader) or *failed* (for a reason that will not pass; the reader is told).
 * While reading there is a generation, a number that grows with every assignment and with every loss of the member. In
 * the buffer there are only records of the current one.
 */
export class KafkaSubscription<N extends SchemaName> implements Closable {
  readonly #options: SubscriptionOptions<N>;
  readonly #intake: Intake<N>;
  readonly #closing = new AbortController();
  readonly #reading: Reading;
  readonly #watchdog: Watchdog;
  readonly #commits: GroupCommits;
  readonly #claims: Claims;
  readonly #membership: Membership;
  #generation = 0;
  /** Whether it is known where this generation has to begin. */
  #begun = false;
  /** Whether the group is being shared out anew: nothing of this generation is begun any more. */
  #handingOver = false;
  /** Resolves when the gaps of the first generation are accepted, or when it has come to nothing. */
  readonly #accepted = Promise.withResolvers<void>();
  #failure: ChangeoverError | undefined;
  #iterated = false;
  #life: Promise<void> = Promise.resolve();

  readonly #events: MemberEvents = {
    joining: () => this.#handOver(),
    joined: (assigned) => this.#joined(assigned),
    disturbed: () => this.#seek(this.#reading.readLastAgain()),
    fetched: (fetched) => this.#intake.receive(fetched),
    passed: (hidden) => this.#passed(hidden),
  };

  private constructor(options: SubscriptionOptions<N>) {
    this.#options = options;
    const { clock, readWatermarks, acceptGap = false } = options;
    const closing = this.#closing.signal;
    const member = (): Member | undefined => this.#membership.member;
    const warn = (message: string, reason: unknown): void => this.#warn(message, reason);
    this.#claims = new Claims(clock);
    this.#reading = new Reading(acceptGap);
    const reading = this.#reading;
    this.#intake = new Intake({
      ...options,
      reading,
      closing,
      generation: () => this.#generation,
      begun: () => this.#begun,
      handingOver: () => this.#handingOver,
      keptWaiting: () => this.#watchdog.keptWaiting(),
      trouble: (take) => this.#trouble(take),
    });
    this.#membership = new Membership({
      ...options,
      events: this.#events,
      reading,
      claims: this.#claims,
      closing,
      ended: () => {
        this.#newGeneration();
        this.#accepted.resolve();
      },
      failed: (error) => this.#fail(error),
      warn,
    });
    this.#watchdog = new Watchdog({
      lookout: readWatermarks && new Lookout({ ...options, readWatermarks, reading, closing }),
      heartbeatMs: options.heartbeatMs,
      lookEveryMs: options.lookEveryMs ?? LOOK_EVERY_MS,
      closing,
      clock,
      member,
      generation: () => (this.#begun ? this.#generation : undefined),
      endGeneration: () => this.#newGeneration(),
      seek: (seeks) => this.#seek(seeks),
      warn,
      onEvent: options.onEvent,
    });
    this.#commits = new GroupCommits({
      ...options,
      reading,
      closing,
      member,
      generation: () => this.#generation,
      isCurrent: (generation) => this.#isOurs({ generation }),
      handingOver: () => this.#handingOver,
      warn,
    });
  }

  static async open<N extends SchemaName>(options: SubscriptionOptions<N>): Promise<KafkaSubscription<N>> {
    const subscription = new KafkaSubscription(options);
    await subscription.#membership.begin();
    const parts = [subscription.#membership.keep(), subscription.#watchdog.run()];
    subscription.#life = Promise.all(parts).then(() => {});
    // Who accepts a gap and ends at once, because nothing is left to read, has accepted it.
    if (subscription.#membership.isPastGaps) {
      await within({ clock: options.clock, ms: ACCEPT_MS }, subscription.#accepted.promise, () => {});
    }
    return subscription;
  }

  async *batches(signal: AbortSignal): AsyncIterable<TopicBatch<N>> {
    if (this.#iterated) throw new ChangeoverError('internal', 'A subscription is iterated once.');
    this.#iterated = true;
    const wake = (): void => this.#intake.buffer.wake();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted && !this.#closing.signal.aborted) {
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#intake.buffer.isEmpty) await this.#intake.buffer.changed();
        // Taken and labelled without a pause in between.
        else
          yield {
            records: this.#intake.buffer.take(this.#options.maxBatchRecords),
            generation: this.#generation,
          };
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  isCurrent(batch: Pick<TopicBatch<N>, 'generation'>): boolean {
    return !this.#handingOver && this.#isOurs(batch);
  }

  claim(batch: Pick<TopicBatch<N>, 'generation'>): Claim | undefined {
    return this.isCurrent(batch) ? this.#claims.open(this.#membership.member?.pulse) : undefined;
  }

  async commit(batch: TopicBatch<N>): Promise<void> {
    // Also while handing over: of what is committed by then, nothing is delivered again.
    if (this.#isOurs(batch)) await this.#commits.add(this.#nextOffsets(batch));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#intake.buffer.wake();
    await this.#life;
  }

  /** Whether the partitions of this batch are this member's, for all that it can know. */
  #isOurs({ generation }: Pick<TopicBatch<N>, 'generation'>): boolean {
    if (generation !== this.#generation || this.#closing.signal.aborted) return false;
    return this.#watchdog.leaseHolds();
  }

  #newGeneration(): void {
    this.#generation += 1;
    this.#begun = false;
    this.#handingOver = false;
    this.#reading.clear();
    this.#commits.clear();
    this.#intake.buffer.clear();
  }

  /** Resolves when nothing that was begun in these partitions is under way any more. */
  async #handOver(): Promise<void> {
    this.#handingOver = true;
    this.#intake.buffer.clear();
    // No sign of life is sent meanwhile.
    if (await this.#claims.handOver(this.#membership.member?.pulse.leaseLeftMs())) return;
    const reason =
      'the group is being shared out anew, and what was begun has not ended in time, in a store or in committing it';
    this.#membership.member?.end(
      new ChangeoverError('unreachable', `The membership was given up: ${reason}.`),
    );
    throw new Error(reason);
  }

  #joined(assigned: readonly Place[]): void {
    this.#newGeneration();
    this.#claims.begin();
    this.#watchdog.joined();
    this.#seek(this.#membership.takePastGaps(assigned));
    this.#options.onEvent?.({
      type: 'rebalanced',
      generation: this.#generation,
      partitions: assigned.length,
    });
    const generation = this.#generation;
    this.#begin(assigned).catch((error: unknown) => {
      if (generation === this.#generation) this.#membership.member?.end(this.#errorOf(error));
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
        this.#membership.member?.end(gapError(gaps));
        return;
      }
      this.#seek(seeks);
    }
    this.#begun = true;
    this.#intake.buffer.wake();
  }

  #seek(seeks: readonly Seek[]): void {
    for (const { offset, ...place } of seeks) this.#membership.member?.seek(place, offset);
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
      .catch((error: unknown) => this.#membership.member?.end(this.#errorOf(error)));
  }

  #fail(error: ChangeoverError): void {
    this.#failure = error;
    if (error.code === 'gap')
      this.#options.onEvent?.({ type: 'gap', accepted: false, message: error.message });
    this.#intake.buffer.wake();
  }

  #trouble(take: Parameters<IntakeOptions<N>['trouble']>[0]): void {
    if (take.is === 'gap') {
      this.#membership.member?.end(gapError([take.gap]));
      return;
    }
    this.#accept([take]);
    this.#seek([take.seek]);
  }

  #passed(hidden: Hidden): void {
    const next = this.#reading.pass(hidden, this.#commits.reached(hidden));
    if (next === undefined) return;
    const { mark, ...place } = next;
    this.#commits
      .add([{ ...place, ...(mark !== null && { mark: () => mark }) }])
      .catch((error: unknown) => this.#membership.member?.end(this.#errorOf(error)));
  }

  /** Where each partition of the batch has to be read next. */
  #nextOffsets(batch: TopicBatch<N>): readonly NextOffset[] {
    return lastOfEachRun(batch.records).map((record) => {
      const place = { topic: this.#options.topics.get(record.kind) ?? '', partition: record.partition };
      const offset = this.#reading.nextAfter(place, record.offset + 1);
      return { ...place, offset, mark: () => markOf(record) };
    });
  }

  #errorOf(error: unknown): ChangeoverError {
    return kafkaError(error, 'read the log', this.#options.address);
  }

  #warn(message: string, reason: unknown): void {
    this.#options.logger.warn(
      { topics: [...this.#options.topics.keys()], reason: messageOf(reason) },
      message,
    );
  }
}
