import type { Consumer, EachBatchPayload } from 'kafkajs';
import type { Clock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Client, Clients } from './client.ts';
import { consumerConfig, FETCH_WAIT_MS, heartbeatMsOf, type MemberOptions } from './consumer-config.ts';
import { within } from './deadline.ts';
import { kafkaError } from './errors.ts';
import { hiddenIn } from './hidden.ts';
import { formatMemo } from './mark.ts';
import type { Member, MemberEvents, Place } from './member.ts';
import { Pulse } from './pulse.ts';
import type { Committed } from './watermarks.ts';

/** How much longer than until the next heartbeat of the others the group may take to be shared out. */
const SHARED_OUT_MS = 1_000;
/** kafkajs says that it has joined a moment before it would tell the group that it leaves. */
const JOINED_MS = 20;

/** Those that the group answers to members only, as kafkajs calls them. */
const GROUP_REQUESTS: ReadonlySet<string> = new Set(['Heartbeat', 'SyncGroup']);

const JOIN_GROUP = 11;
const LEAVE_GROUP = 13;

interface Standing {
  readonly doing: string;
  readonly address: string;
  readonly pulse: Pulse;
  /** How long one that closes waits for its part. */
  readonly sharingOutMs: number;
}

/**
 * One life of one member of a consumer group: from joining to its end. It never comes back by itself. kafkajs would
 * restart a consumer that crashed, but not reliably, not visibly, and possibly after it was closed; so the subscription
 * makes a new member instead.
 */
export class GroupMember implements Member {
  readonly pulse: Pulse;
  readonly #client: Client<Consumer>;
  readonly #clock: Clock;
  /** Completes "Cannot …". */
  readonly #doing: string;
  readonly #address: string;
  readonly #sharingOutMs: number;
  readonly #stopped = Promise.withResolvers<ChangeoverError>();
  #commit: EachBatchPayload['commitOffsetsIfNecessary'] | undefined;
  /** Of the last question to the group that was answered. */
  #roundTripMs = 0;
  #joins: 'never' | 'joined' | 'rebalancing' = 'never';
  /** When it joins next. */
  #joined = Promise.withResolvers<void>();
  /** Whether it has asked for its part, and has not got it yet. */
  #hasAsked = false;
  #over = false;

  private constructor(
    client: Client<Consumer>,
    clock: Clock,
    { doing, address, pulse, sharingOutMs }: Standing,
  ) {
    this.pulse = pulse;
    this.#clock = clock;
    this.#client = client;
    this.#doing = doing;
    this.#address = address;
    this.#sharingOutMs = sharingOutMs;
  }

  /** Resolves when connected; joining the group goes on in the background and may take until the others agree. */
  static async open(clients: Clients, options: MemberOptions, events: MemberEvents): Promise<GroupMember> {
    const { address, clock, requestTimeoutMs } = clients;
    const topics = [...options.topics];
    const doing = `read ${topics.join(', ')}`;
    const client = await clients.connect(doing, (kafka) => kafka.consumer(consumerConfig(options)));
    const member = new GroupMember(client, clock, {
      doing,
      address,
      pulse: new Pulse({ ...options, clock }),
      sharingOutMs: heartbeatMsOf(options.sessionTimeoutMs) + SHARED_OUT_MS,
    });
    try {
      const subscribing = client.connected.subscribe({ topics, fromBeginning: true });
      await within({ clock, ms: requestTimeoutMs }, subscribing, () => {
        throw new ChangeoverError('timeout', `Cannot ${doing}: no answer from ${address}.`);
      });
    } catch (error) {
      member.close().catch(() => {});
      throw kafkaError(error, doing, address);
    }
    member.#listen(events);
    member.#run(events).catch((error: unknown) => member.#end(error));
    return member;
  }

  get stopped(): Promise<ChangeoverError> {
    return this.#stopped.promise;
  }

  seek({ topic, partition }: Place, offset: number): void {
    if (this.#over) return;
    try {
      this.#client.connected.seek({ topic, partition, offset: `${offset}` });
    } catch {
      // It has crashed, and says so in a moment. Then there is nothing to send anywhere.
    }
  }

  async commit(offsets: readonly (Place & Committed)[]): Promise<void> {
    const committed = offsets.map(({ topic, partition, offset, ...memo }) => ({
      topic,
      partition,
      offset: `${offset}`,
      metadata: formatMemo(memo),
    }));
    // Before anything was fetched there is only the way that tries again by itself.
    if (this.#commit === undefined) return this.#client.connected.commitOffsets(committed);
    await this.#commit({
      topics: committed.map(({ topic, ...partition }) => ({ topic, partitions: [partition] })),
    });
  }

  end(reason: ChangeoverError): void {
    this.#end(reason);
  }

  abandon(): void {
    this.#over = true;
    this.#client.sockets.fence();
  }

  /**
   * Leaves the group, so that the others take over at once. Who has not got a part yet cannot leave, and would be waited for
   * until its session ends: so it waits a moment for its part, and where that does not come goes without a word.
   */
  async close(): Promise<void> {
    const isOver = this.#over;
    this.#over = true;
    if (isOver || this.#joins === 'joined') return this.#client.close();
    await within({ clock: this.#clock, ms: this.#sharingOutMs }, this.#joined.promise, () => {});
    await this.#clock.sleep(JOINED_MS);
    await this.#client.close(SHARED_OUT_MS);
  }

  #listen(events: MemberEvents): void {
    const consumer = this.#client.connected;
    const { sockets } = this.#client;
    sockets.holdBack(JOIN_GROUP, () => {
      this.#hasAsked = true;
      return events.joining();
    });
    // kafkajs leaves by itself when it crashes, before it says so.
    sockets.holdBack(LEAVE_GROUP, () => events.joining());
    const { CRASH, GROUP_JOIN, REBALANCING } = consumer.events;
    consumer.on(CRASH, ({ payload }) => this.#end(payload.error));
    consumer.on(REBALANCING, () => {
      this.#joins = 'rebalancing';
      this.#joined = Promise.withResolvers();
      this.pulse.joining();
    });
    this.#feelPulse();
    this.#watchFetches(events);
    this.#watchHidden(events);
    consumer.on(GROUP_JOIN, ({ payload }) => {
      this.#joined.resolve();
      if (this.#over) return;
      // kafkajs also joins again in the middle of a fetch (stale metadata), while batches of the generation before are
      // still on their way here and would count as part of the new one. Then only a new member has a clear beginning.
      this.#hasAsked = false;
      const inOrder = this.#joins !== 'joined';
      this.#joins = 'joined';
      this.pulse.joined(this.#roundTripMs);
      if (inOrder) events.joined(placesOf(payload.memberAssignment));
      else this.#end(new ChangeoverError('unreachable', 'The group was joined again while fetching.'));
    });
  }

  #feelPulse(): void {
    const consumer = this.#client.connected;
    const { FETCH, HEARTBEAT, REQUEST } = consumer.events;
    // Told of right before what came of it. An answer may have waited for us for long, when the process was stopped.
    consumer.on(REQUEST, ({ payload }) => {
      if (GROUP_REQUESTS.has(payload.apiName)) this.#roundTripMs = payload.duration;
    });
    consumer.on(HEARTBEAT, () => this.pulse.confirmed(this.#roundTripMs));
    consumer.on(FETCH, () => this.pulse.fetched());
  }

  /** kafkajs tells of the beginning of each fetch, and of its end where it has not failed. */
  #watchFetches(events: MemberEvents): void {
    const consumer = this.#client.connected;
    const { FETCH, FETCH_START } = consumer.events;
    const unfinished = new Set<number>();
    consumer.on(FETCH_START, ({ payload }) => {
      // Where asking for its part has failed in the middle of a fetch, kafkajs goes on as if it had not asked.
      if (this.#hasAsked) this.#end(new ChangeoverError('unreachable', 'The group was not joined again.'));
      if (unfinished.has(payload.nodeId) && !this.#over) events.disturbed();
      unfinished.add(payload.nodeId);
    });
    consumer.on(FETCH, ({ payload }) => unfinished.delete(payload.nodeId));
  }

  /** Where a fetch has brought no message, kafkajs goes on behind it without a word, but for this one. */
  #watchHidden(events: MemberEvents): void {
    const consumer = this.#client.connected;
    consumer.on(consumer.events.START_BATCH_PROCESS, ({ payload }) => {
      const { topic, partition, batchSize } = payload;
      // Null, whatever its type says, where also what is left out lies before the place that was asked for.
      const first: string | null = payload.firstOffset;
      if (this.#over || batchSize > 0 || first === null) return;
      events.passed({ topic, partition, from: Number(first), to: Number(payload.lastOffset) + 1 });
    });
  }

  async #run(events: MemberEvents): Promise<void> {
    await this.#client.connected.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, heartbeat, isStale, resolveOffset, commitOffsetsIfNecessary }) => {
        // It would fetch the same again at once, for as long as it takes to part with it.
        if (this.#over) return this.#clock.sleep(FETCH_WAIT_MS);
        this.#commit = commitOffsetsIfNecessary;
        const { topic, partition, messages } = batch;
        const lastOffset = batch.lastOffset();
        const fetched = {
          topic,
          partition,
          messages,
          hidden: hiddenIn(batch),
          nextOffset: Number(lastOffset) + 1,
          heartbeat,
          isStale,
          taken: () => resolveOffset(lastOffset),
        };
        const given = this.pulse.handling();
        await events
          .fetched(fetched)
          .catch((error: unknown) => this.#refuseOwnDefect(error))
          .finally(given);
      },
    });
  }

  /** kafkajs would take a mistake of ours for a broken connection, and we would join again for ever. */
  #refuseOwnDefect(error: unknown): never {
    if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) {
      this.#end(
        new ChangeoverError('internal', `A defect while reading: ${error.message}`, { cause: error }),
      );
    }
    throw error;
  }

  #end(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopped.resolve(kafkaError(error, this.#doing, this.#address));
  }
}

function placesOf(assignment: Readonly<Record<string, readonly number[]>>): readonly Place[] {
  return Object.entries(assignment).flatMap(([topic, partitions]) =>
    partitions.map((partition) => ({ topic, partition })),
  );
}
