import type { Consumer, ConsumerConfig, EachBatchPayload, KafkaMessage } from 'kafkajs';
import { ChangeoverError } from '../../core/errors.ts';
import type { Closable } from '../../core/service.ts';
import type { Client, Clients } from './client.ts';
import { within } from './deadline.ts';
import { kafkaError } from './errors.ts';
import { formatMemo } from './mark.ts';
import { Pulse } from './pulse.ts';
import type { Committed } from './watermarks.ts';

export interface MemberOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  /** Bytes of one answer of a broker, about. */
  readonly maxFetchBytes: number;
}

/** What one fetch brought of one partition. */
export interface Fetched {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly KafkaMessage[];
  /** Where the fetch after this one begins. */
  readonly nextOffset: number;
  /** Keeps the membership alive; throws when the group is being shared out anew, which has to reach kafkajs. */
  heartbeat(): Promise<void>;
  /** True when reading has been sent elsewhere in this partition since: not to be taken, it comes again. */
  isStale(): boolean;
  /**
   * Says that these messages have been taken, so that the next fetch goes on behind them. To be called in the same
   * breath as taking them: after a pause the position could be that of another generation.
   */
  taken(): void;
}

export interface Place {
  readonly topic: string;
  readonly partition: number;
}

/** One life of one member of a group, as its subscription sees it. */
export interface Member extends Closable {
  readonly pulse: Pulse;
  /** Resolves with the reason when this member has stopped by itself. */
  readonly stopped: Promise<ChangeoverError>;
  /** The next fetch of this partition begins there, whatever is under way. */
  seek(place: Place, offset: number): void;
  /** One attempt. The offsets are those to read next. */
  commit(offsets: readonly (Place & Committed)[]): Promise<void>;
  /** Ends this member for that reason; it takes nothing more. */
  end(reason: ChangeoverError): void;
}

export interface MemberEvents {
  /** Partitions were assigned anew. Everything that was fetched before is void; fetching starts at what is committed. */
  joined(assigned: readonly Place[]): void;
  /**
   * A fetch has failed, and the next one begins now. A topic that was deleted and made again in between would be read on
   * in the middle; what is sent elsewhere in this call begins there.
   */
  disturbed(): void;
  /** Fetching waits until this resolves. What was not `taken` is fetched again. */
  fetched(fetched: Fetched): Promise<void>;
}

/** How long a fetch waits for something new: also how long leaving the group may take. Not a delay: news ends it. */
const FETCH_WAIT_MS = 250;
const MAX_BYTES_PER_PARTITION = 1024 * 1024;
/** About 2.5 s of passing failures, then the member is given up and its subscription makes another. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 } as const;

/** Those that the group answers to members only, as kafkajs calls them. */
const GROUP_REQUESTS: ReadonlySet<string> = new Set(['Heartbeat', 'SyncGroup']);

/** Often enough that one or two may get lost, and that a new member need not wait long for the others to notice. */
export function heartbeatMsOf(sessionTimeoutMs: number): number {
  return Math.min(3_000, Math.ceil(sessionTimeoutMs / 10));
}

/**
 * One life of one member of a consumer group: from joining to its end. It never comes back by itself. kafkajs would
 * restart a consumer that crashed, but not reliably, not visibly, and possibly after it was closed; so the subscription
 * makes a new member instead.
 */
export class GroupMember implements Member {
  readonly pulse: Pulse;
  readonly #client: Client<Consumer>;
  /** Completes "Cannot …". */
  readonly #doing: string;
  readonly #address: string;
  readonly #stopped = Promise.withResolvers<ChangeoverError>();
  #commit: EachBatchPayload['commitOffsetsIfNecessary'] | undefined;
  /** Of the last question to the group that was answered. */
  #roundTripMs = 0;
  #joins: 'never' | 'joined' | 'rebalancing' = 'never';
  #over = false;

  private constructor(client: Client<Consumer>, doing: string, address: string, pulse: Pulse) {
    this.pulse = pulse;
    this.#client = client;
    this.#doing = doing;
    this.#address = address;
  }

  /** Resolves when connected; joining the group goes on in the background and may take until the others agree. */
  static async open(clients: Clients, options: MemberOptions, events: MemberEvents): Promise<GroupMember> {
    const { address, clock, requestTimeoutMs } = clients;
    const topics = [...options.topics];
    const doing = `read ${topics.join(', ')}`;
    const client = await clients.connect(doing, (kafka) => kafka.consumer(consumerConfig(options)));
    const member = new GroupMember(client, doing, address, new Pulse({ ...options, clock }));
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

  /** Leaves the group, so that the others take over at once. */
  async close(): Promise<void> {
    this.#over = true;
    await this.#client.close();
  }

  #listen(events: MemberEvents): void {
    const consumer = this.#client.connected;
    const { CRASH, GROUP_JOIN, REBALANCING } = consumer.events;
    consumer.on(CRASH, ({ payload }) => this.#end(payload.error));
    consumer.on(REBALANCING, () => {
      this.#joins = 'rebalancing';
      this.pulse.joining();
    });
    this.#feelPulse();
    this.#watchFetches(events);
    consumer.on(GROUP_JOIN, ({ payload }) => {
      if (this.#over) return;
      // kafkajs also joins again in the middle of a fetch (stale metadata), while batches of the generation before are
      // still on their way here and would count as part of the new one. Then only a new member has a clear beginning.
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
      if (unfinished.has(payload.nodeId) && !this.#over) events.disturbed();
      unfinished.add(payload.nodeId);
    });
    consumer.on(FETCH, ({ payload }) => unfinished.delete(payload.nodeId));
  }

  async #run(events: MemberEvents): Promise<void> {
    await this.#client.connected.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, heartbeat, isStale, resolveOffset, commitOffsetsIfNecessary }) => {
        if (this.#over) return;
        this.#commit = commitOffsetsIfNecessary;
        const { topic, partition, messages } = batch;
        const lastOffset = batch.lastOffset();
        const fetched = {
          topic,
          partition,
          messages,
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

function consumerConfig({ groupId, sessionTimeoutMs, maxFetchBytes }: MemberOptions): ConsumerConfig {
  return {
    groupId,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: heartbeatMsOf(sessionTimeoutMs),
    maxBytes: maxFetchBytes,
    maxBytesPerPartition: Math.min(MAX_BYTES_PER_PARTITION, maxFetchBytes),
    maxWaitTimeInMs: FETCH_WAIT_MS,
    allowAutoTopicCreation: false,
    retry: { ...RETRY, restartOnFailure: async () => false },
  };
}
