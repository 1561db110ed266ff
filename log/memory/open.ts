import { ChangeoverError } from '../../core/errors.ts';
import type { Closable } from '../../core/service.ts';
import { KINDS, type Kind, type SchemaName, topicOf } from '../../schemas/kinds.ts';
import type { LogContext } from '../context.ts';
import { createControlCodec } from '../control-codec.ts';
import { createDeadLetterCodec } from '../dead-letter-codec.ts';
import { encodeChange } from '../encode-change.ts';
import type {
  ControlRecord,
  ControlTopic,
  DeadLetterTopic,
  Log,
  LogPlace,
  LogRecord,
  PartitionPosition,
  Publisher,
  SubscribeOptions,
  Subscription,
} from '../log.ts';
import { partitionOf } from '../partition.ts';
import type { MemoryBroker, MemoryTopic } from './broker.ts';
import { openMemoryDeadLetters } from './dead-letters.ts';
import { MemorySubscription, placeOf, recordOf } from './subscription.ts';

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
  readonly #options: Required<MemoryLogOptions>;
  readonly #context: LogContext;
  readonly #open: Closable[] = [];
  #closed = false;

  constructor(options: MemoryLogOptions, context: LogContext) {
    this.#options = { partitions: DEFAULT_PARTITIONS, maxChangeBytes: DEFAULT_MAX_CHANGE_BYTES, ...options };
    this.#context = context;
    this.control = this.#openControl();
    this.deadLetters = this.#openDeadLetters();
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
    const control = this.#name('control');
    broker.facts.set(control, broker.facts.get(control) ?? new Map());
  }

  async publisher(): Promise<Publisher> {
    this.#refuseClosed();
    const topics = this.#topics(KINDS);
    const { broker, partitions, maxChangeBytes } = this.#options;
    const { codec, clock } = this.#context;
    let closed = false;
    const publisher: Publisher = {
      async publish(changes) {
        if (closed) throw new ChangeoverError('aborted', 'The publisher is closed.');
        const encoded = changes.map((change) => encodeChange(codec, change, maxChangeBytes));
        const timestampMs = Math.trunc(clock.nowUs() / 1000);
        for (const [index, { key, value }] of encoded.entries()) {
          const topic = topics.get(changes[index]?.kind ?? 'agent') ?? [];
          broker.append(topic, partitionOf(key, partitions), { key, value, timestampMs });
        }
      },
      async ready() {},
      async close() {
        closed = true;
      },
    };
    this.#open.push(publisher);
    return publisher;
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    this.#refuseClosed();
    const { broker } = this.#options;
    const subscription = new MemorySubscription({
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
    const codec = createControlCodec();
    const { writer, clock } = this.#context;
    return {
      write: async (subject, body) => {
        const value = codec.encode({ subject, body, writer, writtenAt: clock.nowUs() });
        const facts = this.#facts();
        if (value === null) facts.delete(subject);
        else facts.set(subject, value);
      },
      read: async (prefix) => {
        const found = Array.from(this.#facts()).filter(([subject]) => subject.startsWith(prefix));
        return new Map<string, ControlRecord>(
          found.map(([subject, value]) => [subject, codec.decode(subject, value)]),
        );
      },
    };
  }

  #openDeadLetters(): DeadLetterTopic {
    const { broker, maxChangeBytes } = this.#options;
    const { clock, prefix } = this.#context;
    return openMemoryDeadLetters({
      broker,
      maxChangeBytes,
      codec: createDeadLetterCodec(prefix),
      nowUs: () => clock.nowUs(),
      topic: () => {
        this.#refuseClosed();
        const name = this.#name('dead-letter');
        const topic = broker.topics.get(name);
        if (topic === undefined) throw missing(name);
        return topic;
      },
    });
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
