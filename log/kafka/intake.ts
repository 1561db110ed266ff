import type { Clock } from '../../core/clock.ts';
import type { SchemaName } from '../../schemas/kinds.ts';
import type { SubscriptionEvent } from '../log.ts';
import { within } from './deadline.ts';
import type { Fetched } from './member.ts';
import type { Reading, Take } from './reading.ts';
import { RecordBuffer } from './record-buffer.ts';
import { memoryOf, recordOf, type TopicRecord } from './records.ts';

type Trouble = Exclude<Take<never>, { readonly is: 'taken' }>;

export interface IntakeOptions<N extends SchemaName> {
  readonly topics: ReadonlyMap<N, string>;
  readonly reading: Reading;
  readonly maxBufferedBytes: number;
  readonly heartbeatMs: number;
  readonly clock: Clock;
  readonly closing: AbortSignal;
  generation(): number;
  /** Whether it is known where the generation begins. */
  begun(): boolean;
  /** Whether the partitions are about to be others'. */
  handingOver(): boolean;
  /** What was fetched waits for its reader. */
  keptWaiting(): void;
  /** Records are missing. */
  trouble(take: Trouble): void;
  readonly onEvent?: ((event: SubscriptionEvent) => void) | undefined;
}

/** Takes what a member has fetched, as much as there is room for, once, and keeps it for the reader. */
export class Intake<N extends SchemaName> {
  readonly buffer: RecordBuffer<TopicRecord<N>>;
  readonly #options: IntakeOptions<N>;
  readonly #kinds: ReadonlyMap<string, N>;

  constructor(options: IntakeOptions<N>) {
    this.#options = options;
    this.#kinds = new Map(Array.from(options.topics, ([kind, topic]) => [topic, kind]));
    this.buffer = new RecordBuffer<TopicRecord<N>>({ maxBytes: options.maxBufferedBytes, bytesOf: memoryOf });
  }

  async receive(fetched: Fetched): Promise<void> {
    const { reading, closing, generation, begun, handingOver, trouble } = this.#options;
    const ours = generation();
    const kind = this.#kinds.get(fetched.topic);
    if (kind === undefined) return;
    const records = fetched.messages.map((message) => recordOf(kind, fetched.partition, message));
    while (!begun() || !this.buffer.hasRoomFor(records)) {
      await this.#roomOrHeartbeat(fetched);
      // Not taken: whoever owns the partition now fetches it again.
      if (ours !== generation() || closing.aborted) return;
    }
    // Nor where others are about to own it.
    if (handingOver()) return this.#roomOrHeartbeat(fetched);
    if (fetched.isStale()) return;
    const take = reading.take(fetched, records);
    if (take.is !== 'taken') return trouble(take);
    fetched.taken();
    this.#put(take.records);
  }

  #put(records: readonly TopicRecord<N>[]): void {
    if (records.length === 0) return;
    const bytes = this.buffer.put(records);
    this.#options.onEvent?.({ type: 'fetched', records: records.length, bytes });
  }

  async #roomOrHeartbeat(fetched: Fetched): Promise<void> {
    const { clock, heartbeatMs, closing, begun, keptWaiting } = this.#options;
    if (begun()) keptWaiting();
    const over = new AbortController();
    await within({ clock, ms: heartbeatMs }, this.buffer.changed(over.signal), () => {});
    over.abort();
    if (!closing.aborted) await fetched.heartbeat();
  }
}
