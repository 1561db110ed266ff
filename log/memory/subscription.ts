import { ChangeoverError } from '../../core/errors.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Claim, LogRecord, RecordBatch, Subscription, SubscriptionEvent } from '../log.ts';
import type { MemoryBroker, MemoryTopic, StoredRecord } from './broker.ts';
import type { MemoryGroup, MemoryMember, Place } from './group.ts';

export interface MemorySubscriptionOptions {
  readonly broker: MemoryBroker;
  readonly group: MemoryGroup;
  readonly topics: ReadonlyMap<Kind, MemoryTopic>;
  readonly maxBatchRecords: number;
  /** Nothing is buffered here, so this bounds what one batch holds. */
  readonly maxBufferedBytes: number;
  readonly onEvent?: ((event: SubscriptionEvent) => void) | undefined;
}

interface Cursor {
  readonly kind: Kind;
  readonly partition: number;
  readonly records: readonly StoredRecord[];
  next: number;
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

export function placeOf({ kind, partition }: { readonly kind: Kind; readonly partition: number }): Place {
  return `${kind}/${partition}`;
}

export class MemorySubscription implements Subscription {
  readonly #options: MemorySubscriptionOptions;
  readonly #member: MemoryMember;
  /** Of the partitions that are ours now; the one to begin with is first. */
  #cursors: readonly Cursor[] = [];
  /** What waits with taking part in a new sharing out, beside our claims. */
  hearsOfSharing: () => Promise<void> = async () => {};
  readonly #claims = new Set<Claim>();
  #handingOver = false;
  #iterated = false;
  #closed = false;

  private constructor(options: MemorySubscriptionOptions) {
    this.#options = options;
    const all = Array.from(options.topics, ([kind, topic]) =>
      topic.map((records, partition) => ({ kind, partition, records })),
    ).flat();
    const byPlace = new Map(all.map((cursor) => [placeOf(cursor), cursor]));
    this.#member = {
      wanted: [...byPlace.keys()],
      ready: () => this.#ready(),
      assign: (places) => {
        this.#handingOver = false;
        this.#cursors = places.flatMap((place) => {
          const cursor = byPlace.get(place);
          return cursor === undefined ? [] : [{ ...cursor, next: options.group.committed.get(place) ?? 0 }];
        });
        if (this.#closed) return;
        const { generation } = options.group;
        options.onEvent?.({ type: 'rebalanced', generation, partitions: places.length });
      },
    };
  }

  static async open(options: MemorySubscriptionOptions): Promise<MemorySubscription> {
    const subscription = new MemorySubscription(options);
    await options.group.join(subscription.#member);
    return subscription;
  }

  async *batches(signal: AbortSignal): AsyncIterable<RecordBatch> {
    if (this.#iterated) throw new ChangeoverError('internal', 'A subscription is iterated once.');
    this.#iterated = true;
    const { broker, group } = this.#options;
    const wake = (): void => broker.watchers.wake();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted && !this.#closed) {
        const records = this.#handingOver ? [] : this.#take();
        if (records.length === 0) await broker.watchers.changed();
        else yield { records, generation: group.generation };
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  isCurrent(batch: RecordBatch): boolean {
    return !this.#handingOver && this.#isOurs(batch);
  }

  claim(batch: RecordBatch): Claim | undefined {
    if (!this.isCurrent(batch)) return undefined;
    const claim: Claim = {
      remainingMs: () => (this.#closed ? 0 : Number.POSITIVE_INFINITY),
      release: () => {
        if (this.#claims.delete(claim)) this.#options.broker.watchers.wake();
      },
    };
    this.#claims.add(claim);
    return claim;
  }

  async commit(batch: RecordBatch): Promise<void> {
    const { committed } = this.#options.group;
    if (!this.#isOurs(batch)) return;
    for (const record of batch.records) {
      const place = placeOf(record);
      committed.set(place, Math.max(committed.get(place) ?? 0, record.offset + 1));
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { broker, group } = this.#options;
    broker.watchers.wake();
    if (this.#claims.size === 0) group.leave(this.#member);
    else void this.#settled().then(() => group.leave(this.#member));
  }

  /** Gone without a word, whatever it has begun: the session is over. */
  expire(): void {
    this.#claims.clear();
    this.#closed = true;
    this.#options.broker.watchers.wake();
    this.#options.group.leave(this.#member);
  }

  #isOurs({ generation }: RecordBatch): boolean {
    return !this.#closed && generation === this.#options.group.generation;
  }

  async #ready(): Promise<void> {
    const { group } = this.#options;
    const { generation } = group;
    await this.hearsOfSharing();
    // It may hear of what has come to pass already.
    if (group.generation === generation) this.#handingOver = true;
    await this.#settled();
  }

  async #settled(): Promise<void> {
    while (this.#claims.size > 0) await this.#options.broker.watchers.changed();
  }

  /** Whatever is there, partition by partition, up to the bounds; the next batch begins with the next partition. */
  #take(): readonly LogRecord[] {
    const { maxBatchRecords, maxBufferedBytes } = this.#options;
    const taken: LogRecord[] = [];
    let bytes = 0;
    for (const cursor of this.#cursors) {
      while (taken.length < maxBatchRecords && bytes < maxBufferedBytes) {
        const record = cursor.records[cursor.next];
        if (record === undefined) break;
        taken.push(recordOf(cursor, record));
        bytes += record.value.byteLength;
        cursor.next += 1;
      }
    }
    if (taken.length > 0) this.#options.onEvent?.({ type: 'fetched', records: taken.length, bytes });
    const [first, ...others] = this.#cursors;
    if (first !== undefined) this.#cursors = [...others, first];
    return taken;
  }
}

export function recordOf(
  { kind, partition, next }: Pick<Cursor, 'kind' | 'partition' | 'next'>,
  { key, value, timestampMs }: StoredRecord,
): LogRecord {
  return { kind, partition, offset: next, key: key.toString(), value, headers: NO_HEADERS, timestampMs };
}
