import { ChangeoverError } from '../../core/errors.ts';
import type { Closable } from '../../core/service.ts';
import { KINDS, type Kind, type SchemaName, topicOf } from '../../schemas/kinds.ts';
import type { LogContext } from '../context.ts';
import { createDeadLetterCodec } from '../dead-letter-codec.ts';
import type {
  ControlTopic,
  DeadLetterTopic,
  Log,
  LogPlace,
  LogRecord,
  PartitionPosition,
  Publisher,
  SubscribeOptions,
  Subscription,
  WorkTopic,
} from '../log.ts';
import { createWorkCodec, WORK_LOTS } from '../work-codec.ts';
import type { MemoryBroker, MemoryTopic } from './broker.ts';
import { openMemoryControl } from './control.ts';
import { openMemoryDeadLetters } from './dead-letters.ts';
import { openMemoryPublisher } from './publisher.ts';
import { MemorySubscription, placeOf, recordOf } from './subscription.ts';
import { openMemoryWork } from './work.ts';

export interface MemoryLogOptions {
  /** What the log's processes share. */
  readonly broker: MemoryBroker;
  readonly partitions?: number;
  readonly maxChangeBytes?: number;
}

const DEFAULT_PARTITIONS = 12;
const DEFAULT_MAX_CHANGE_BYTES = 1_000_000;
const DEFAULT_BATCH_RECORDS = 5_000;
const DEFAULT_BUFFERED_BYTES = 8 * 1024 * 1024;

/** One process' view of the log in memory: the same promises and the same bytes as on Kafka. */
export function openMemoryLog(options: MemoryLogOptions, context: LogContext): Log {
  return new MemoryLog(options, context);
}

class MemoryLog implements Log {
  readonly control: ControlTopic;
  readonly deadLetters: DeadLetterTopic;
  readonly work: WorkTopic;
  readonly #options: Required<MemoryLogOptions>;
  readonly #context: LogContext;
  readonly #open: Closable[] = [];
  #closed = false;

  constructor(options: MemoryLogOptions, context: LogContext) {
    this.#options = { partitions: DEFAULT_PARTITIONS, maxChangeBytes: DEFAULT_MAX_CHANGE_BYTES, ...options };
    this.#context = context;
    this.control = this.#openControl();
    this.deadLetters = this.#openDeadLetters();
    this.work = this.#openWork();
  }

  async prepare(): Promise<void> {
    this.#refuseClosed();
    const { broker, partitions } = this.#options;
    for (const each of [...KINDS, 'dead-letter'] as const) {
      const name = this.#name(each);
      const topic = broker.topics.get(name) ?? Array.from({ length: partitions }, () => []);
      requirePartitions(name, topic, partitions);
      broker.topics.set(name, topic);
    }
    const work = this.#name('work');
    broker.topics.set(work, broker.topics.get(work) ?? Array.from({ length: WORK_LOTS }, () => []));
    const control = this.#name('control');
    broker.facts.set(control, broker.facts.get(control) ?? new Map());
  }

  async publisher(): Promise<Publisher> {
    this.#refuseClosed();
    const topics = this.#topics(KINDS);
    const publisher = openMemoryPublisher({ ...this.#options, ...this.#context, topics });
    this.#open.push(publisher);
    return publisher;
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    this.#refuseClosed();
    const { broker } = this.#options;
    const subscription = await MemorySubscription.open({
      broker,
      group: broker.group(this.#groupName(options.group)),
      topics: this.#topics(options.kinds),
      maxBatchRecords: options.maxBatchRecords ?? DEFAULT_BATCH_RECORDS,
      maxBufferedBytes: options.maxBufferedBytes ?? DEFAULT_BUFFERED_BYTES,
      onEvent: options.onEvent,
    });
    this.#open.push(subscription);
    return subscription;
  }

  async positions(kinds: readonly Kind[], group?: string): Promise<readonly PartitionPosition[]> {
    this.#refuseClosed();
    const { committed } = this.#options.broker.group(this.#groupName(group ?? ''));
    return Array.from(this.#topics(kinds), ([kind, topic]) =>
      topic.map((records, partition) => ({
        kind,
        partition,
        start: 0,
        end: records.length,
        committed: group === undefined ? null : (committed.get(placeOf({ kind, partition })) ?? null),
      })),
    ).flat();
  }

  async arrivals(places: readonly LogPlace[]): Promise<readonly (number | undefined)[]> {
    this.#refuseClosed();
    const topics = this.#topics(places.map(({ kind }) => kind));
    return places.map(({ kind, partition, offset }) => topics.get(kind)?.[partition]?.[offset]?.timestampMs);
  }

  async members(group: string): Promise<number> {
    this.#refuseClosed();
    return this.#options.broker.group(this.#groupName(group)).size;
  }

  async records(places: readonly LogPlace[]): Promise<readonly (LogRecord | undefined)[]> {
    this.#refuseClosed();
    const topics = this.#topics([...new Set(places.map(({ kind }) => kind))]);
    return places.map(({ kind, partition, offset }) => {
      const record = topics.get(kind)?.[partition]?.[offset];
      return record && recordOf({ kind, partition, next: offset }, record);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#open.map((closable) => closable.close()));
  }

  #openControl(): ControlTopic {
    const { writer, clock } = this.#context;
    return openMemoryControl({ writer, nowUs: () => clock.nowUs(), facts: () => this.#facts() });
  }

  #openDeadLetters(): DeadLetterTopic {
    const { broker, maxChangeBytes } = this.#options;
    const { clock, prefix } = this.#context;
    return openMemoryDeadLetters({
      broker,
      maxChangeBytes,
      codec: createDeadLetterCodec(prefix),
      nowUs: () => clock.nowUs(),
      topic: () => this.#topic('dead-letter'),
    });
  }

  #openWork(): WorkTopic {
    const { broker } = this.#options;
    const { clock, writer } = this.#context;
    return openMemoryWork({
      broker,
      codec: createWorkCodec(writer),
      nowUs: () => clock.nowUs(),
      topic: () => this.#topic('work'),
      groupOf: (crew) => broker.group(this.#groupName(crew)),
      adopt: (member) => this.#open.push(member),
    });
  }

  #topic(name: SchemaName): MemoryTopic {
    this.#refuseClosed();
    const topic = this.#options.broker.topics.get(this.#name(name));
    if (topic === undefined) throw missing(this.#name(name));
    return topic;
  }

  #facts(): Map<string, Buffer> {
    this.#refuseClosed();
    const name = this.#name('control');
    const facts = this.#options.broker.facts.get(name);
    if (facts === undefined) throw missing(name);
    return facts;
  }

  #name(name: SchemaName): string {
    return topicOf(this.#context.prefix, name);
  }

  /** Logs of several prefixes share a broker, not their groups. */
  #groupName(group: string): string {
    return `${this.#context.prefix}/${group}`;
  }

  #topics(kinds: readonly Kind[]): ReadonlyMap<Kind, MemoryTopic> {
    return new Map(
      kinds.map((kind) => {
        const name = this.#name(kind);
        const topic = this.#options.broker.topics.get(name);
        if (topic === undefined) throw missing(name);
        requirePartitions(name, topic, this.#options.partitions);
        return [kind, topic];
      }),
    );
  }

  #refuseClosed(): void {
    if (this.#closed) throw new ChangeoverError('aborted', 'The log is closed.');
  }
}

function missing(name: string): ChangeoverError {
  return new ChangeoverError('mismatch', `Topics are missing: ${name}.`, { hint: 'Call prepare first.' });
}

function requirePartitions(name: string, topic: MemoryTopic, partitions: number): void {
  if (topic.length === partitions) return;
  throw new ChangeoverError('mismatch', `Topic ${name} has ${topic.length} partitions, not ${partitions}.`);
}
