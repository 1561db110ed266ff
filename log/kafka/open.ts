import { randomUUID } from 'node:crypto';
import { ChangeoverError } from '../../core/errors.ts';
import type { Closable } from '../../core/service.ts';
import { KINDS, type Kind, type SchemaName, topicOf } from '../../schemas/kinds.ts';
import type { LogContext } from '../context.ts';
import { createControlCodec } from '../control-codec.ts';
import { createDeadLetterCodec } from '../dead-letter-codec.ts';
import type {
  Log,
  LogPlace,
  LogRecord,
  PartitionPosition,
  Publisher,
  SubscribeOptions,
  Subscription,
} from '../log.ts';
import { type KafkaAdmin, openAdmin } from './admin.ts';
import { readArrivals } from './arrivals.ts';
import { type Clients, prepareClients } from './client.ts';
import { KafkaControl } from './control.ts';
import { KafkaDeadLetters } from './dead-letters.ts';
import { requireNoGap } from './gap.ts';
import { Lane } from './lane.ts';
import { GroupMember, heartbeatMsOf } from './member.ts';
import type { KafkaOptions } from './options.ts';
import { countMembers, offsetsAt, readEnds, readPositions } from './positions.ts';
import { openLaneProducer } from './producer.ts';
import { KafkaPublisher } from './publisher.ts';
import { readPlaces } from './read-places.ts';
import { KafkaSubscription } from './subscription.ts';
import {
  allSpecs,
  prepareTopics,
  readMaxRecordBytes,
  requireTopics,
  specOf,
  type TopicSpec,
} from './topics.ts';
import { readWatermarks, type Watermarks } from './watermarks.ts';

const MAX_BATCH_BYTES = 512 * 1024;
const DEFAULT_BATCH_RECORDS = 5_000;
const DEFAULT_BUFFERED_BYTES = 2 * 1024 * 1024;
const FETCHED_SHARE = 1 / 4;

/**
 * The log on Kafka. Throws within `openTimeoutMs` when no broker answers, naming the address. A log makes one
 * connection for questions; each publisher makes one per lane and broker, each subscription two per broker: share them.
 */
export async function openKafkaLog(options: KafkaOptions, context: LogContext): Promise<Log> {
  const logger = context.logger.child({ component: 'log' });
  const clients = await prepareClients(options, logger, context.clock);
  const admin = await openAdmin(clients, options.openTimeoutMs);
  return new KafkaLog({ options, context: { ...context, logger }, clients, admin });
}

interface Parts {
  readonly options: KafkaOptions;
  readonly context: LogContext;
  readonly clients: Clients;
  readonly admin: KafkaAdmin;
}

interface ReadOptions<N extends SchemaName> extends Omit<SubscribeOptions, 'kinds'> {
  readonly names: readonly N[];
  readonly readWatermarks?: () => Promise<readonly Watermarks[]>;
}

class KafkaLog implements Log {
  readonly control: KafkaControl;
  readonly deadLetters: KafkaDeadLetters;
  readonly #parts: Parts;
  readonly #open = new Set<Closable>();
  #closing: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.control = this.#openControl();
    this.deadLetters = this.#openDeadLetters();
  }

  async prepare(): Promise<void> {
    this.#refuseClosed();
    const { admin, context, options } = this.#parts;
    await prepareTopics(admin, allSpecs(context.prefix, options), options.replicationFactor);
  }

  async publisher(): Promise<Publisher> {
    this.#refuseClosed();
    const { admin, context, options } = this.#parts;
    const specs = this.#specs(KINDS);
    await requireTopics(admin, specs);
    const maxRecordBytes = Math.min(options.maxChangeBytes, await readMaxRecordBytes(admin, specs));
    const maxBatchBytes = Math.min(MAX_BATCH_BYTES, maxRecordBytes);
    const lanes = Array.from({ length: options.lanes }, () => this.#lane(maxBatchBytes));
    const publisher = new KafkaPublisher({
      ...options,
      lanes,
      topics: this.#topics(KINDS),
      codec: context.codec,
      clock: context.clock,
      maxChangeBytes: maxRecordBytes,
      maxBatchBytes,
    });
    await this.#adopt(publisher);
    try {
      await Promise.all(lanes.map((lane) => lane.open()));
    } catch (error) {
      await publisher.close();
      throw error;
    }
    return publisher;
  }

  async subscribe({ kinds, ...options }: SubscribeOptions): Promise<Subscription> {
    this.#refuseClosed();
    const { admin } = this.#parts;
    const query = { topics: [...this.#topics(kinds).values()], groupId: this.#groupId(options.group) };
    const watermarks = (): Promise<readonly Watermarks[]> => readWatermarks(admin, query);
    await requireTopics(admin, this.#specs(kinds));
    if (!options.acceptGap) requireNoGap(await watermarks());
    const subscription = await this.#read<Kind>({ ...options, names: kinds, readWatermarks: watermarks });
    await this.#adopt(subscription);
    return subscription;
  }

  async positions(kinds: readonly Kind[], group?: string): Promise<readonly PartitionPosition[]> {
    this.#refuseClosed();
    await requireTopics(this.#parts.admin, this.#specs(kinds));
    const groupId = group === undefined ? undefined : this.#groupId(group);
    return readPositions(this.#parts.admin, { topics: this.#topics(kinds), groupId });
  }

  async arrivals(places: readonly LogPlace[]): Promise<readonly (number | undefined)[]> {
    this.#refuseClosed();
    const { admin, context } = this.#parts;
    const kinds = [...new Set(places.map(({ kind }) => kind))];
    const nowMs = context.clock.nowUs() / 1_000;
    const found = new Map<LogPlace, number | undefined>();
    await Promise.all(
      Array.from(this.#topics(kinds), async ([kind, topic]) => {
        const ours = places.filter((place) => place.kind === kind);
        const arrived = await readArrivals(ours, offsetsAt(admin, topic), nowMs);
        for (const [index, place] of ours.entries()) found.set(place, arrived[index]);
      }),
    );
    return places.map((place) => found.get(place));
  }

  async members(group: string): Promise<number> {
    this.#refuseClosed();
    return countMembers(this.#parts.admin, this.#groupId(group));
  }

  async records(places: readonly LogPlace[]): Promise<readonly (LogRecord | undefined)[]> {
    this.#refuseClosed();
    const { admin, clients, options } = this.#parts;
    const kinds = [...new Set(places.map(({ kind }) => kind))];
    if (kinds.length === 0) return [];
    await requireTopics(admin, this.#specs(kinds));
    const groupPrefix = this.#groupId('records.');
    const { sessionTimeoutMs } = options;
    return readPlaces({ admin, clients, topics: this.#topics(kinds), groupPrefix, sessionTimeoutMs }, places);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const readersAndWriters = [...this.#open, this.control, this.deadLetters];
    const closed = await Promise.allSettled(readersAndWriters.map((closable) => closable.close()));
    await this.#parts.admin.close();
    const failed = closed.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw new ChangeoverError('aborted', 'The log is closed.');
  }

  /** From now on closed with the log; at once when the log was closed while this was being opened. */
  async #adopt(closable: Closable): Promise<void> {
    this.#open.add(closable);
    if (this.#closing === undefined) return;
    await closable.close();
    this.#refuseClosed();
  }

  #topics<N extends SchemaName>(names: readonly N[]): ReadonlyMap<N, string> {
    return new Map(names.map((name) => [name, topicOf(this.#parts.context.prefix, name)]));
  }

  /** Members of one group share their topics, so logs of two prefixes must not meet in one. */
  #groupId(group: string): string {
    return `${this.#parts.context.prefix}.${group}`;
  }

  #specs(names: readonly SchemaName[]): readonly TopicSpec[] {
    const { context, options } = this.#parts;
    return names.map((name) => specOf(name, context.prefix, options));
  }

  #lane(maxBatchBytes: number): Lane {
    const { clients, context, options } = this.#parts;
    const { clock, logger } = context;
    return new Lane({
      openProducer: () => openLaneProducer(clients),
      maxBatchBytes,
      deliveryTimeoutMs: options.deliveryTimeoutMs,
      clock,
      logger,
    });
  }

  async #read<N extends SchemaName>(read: ReadOptions<N>): Promise<KafkaSubscription<N>> {
    const { admin, clients, context, options } = this.#parts;
    const { clock, logger } = context;
    const topics = this.#topics(read.names);
    const specs = this.#specs(read.names);
    const maxBufferedBytes = read.maxBufferedBytes ?? DEFAULT_BUFFERED_BYTES;
    const cluster = await admin.ask('read the brokers', (kafka) => kafka.describeCluster());
    const member = {
      groupId: this.#groupId(read.group),
      topics: [...topics.values()],
      sessionTimeoutMs: options.sessionTimeoutMs,
      // What was fetched from each broker and waits for room is small on the wire and large in memory: kafkajs makes
      // several objects of each record.
      maxFetchBytes: Math.ceil((maxBufferedBytes * FETCHED_SHARE) / Math.max(1, cluster.brokers.length)),
    };
    return KafkaSubscription.open({
      ...read,
      topics,
      requireTopics: () => requireTopics(admin, specs),
      openMember: (events) => GroupMember.open(clients, member, events),
      maxBatchRecords: read.maxBatchRecords ?? DEFAULT_BATCH_RECORDS,
      maxBufferedBytes: Math.ceil(maxBufferedBytes * (1 - FETCHED_SHARE)),
      heartbeatMs: heartbeatMsOf(options.sessionTimeoutMs),
      address: clients.address,
      clock,
      logger,
    });
  }

  #openControl(): KafkaControl {
    const { admin, context, options } = this.#parts;
    const { clock, prefix, writer } = context;
    const topic = topicOf(prefix, 'control');
    return new KafkaControl({
      topic,
      codec: createControlCodec(),
      writer,
      maxRecordBytes: options.maxChangeBytes,
      lane: this.#lane(MAX_BATCH_BYTES),
      requireTopic: () => requireTopics(admin, this.#specs(['control'])),
      subscribe: () => this.#read({ group: `control.${randomUUID()}`, names: ['control'] }),
      readEnds: async () => {
        const [offsets] = await admin.ask(`read the offsets of ${topic}`, (kafka) =>
          kafka.fetchTopicOffsets(topic),
        );
        return { start: Number(offsets?.low ?? 0), end: Number(offsets?.high ?? 0) };
      },
      closeTimeoutMs: options.closeTimeoutMs,
      clock,
    });
  }

  #openDeadLetters(): KafkaDeadLetters {
    const { admin, context, options } = this.#parts;
    const { clock, logger, prefix } = context;
    const topic = topicOf(prefix, 'dead-letter');
    const specs = this.#specs(['dead-letter']);
    return new KafkaDeadLetters({
      topic,
      codec: createDeadLetterCodec(prefix),
      lane: this.#lane(MAX_BATCH_BYTES),
      maxBatchBytes: MAX_BATCH_BYTES,
      readMaxRecordBytes: async () => {
        await requireTopics(admin, specs);
        return readMaxRecordBytes(admin, specs);
      },
      readEnds: () => readEnds(admin, topic),
      subscribe: () => this.#read({ group: `dead-letters.${randomUUID()}`, names: ['dead-letter'] }),
      closeTimeoutMs: options.closeTimeoutMs,
      clock,
      logger,
    });
  }
}
