import { Watchers } from '../core/watchers.ts';
import type { RecordBatch, Subscription, WorkMember, WorkTask } from './log.ts';
import type { WorkCodec } from './work-codec.ts';

/** A record of the work topic. */
export interface WorkRecord {
  readonly partition: number;
  readonly offset: number;
  /** The crew. */
  readonly key: string;
  readonly value: Buffer | null;
}

/** A consumer group that reads the work topic: what of a subscription is needed here. */
export interface WorkReader<R extends WorkRecord> extends Pick<Subscription, 'close'> {
  batches(signal: AbortSignal): AsyncIterable<WorkBatch<R>>;
  isCurrent(batch: WorkBatch<R>): boolean;
  commit(batch: WorkBatch<R>): Promise<void>;
}
type WorkBatch<R> = Omit<RecordBatch, 'records'> & { readonly records: readonly R[] };

/** What a reader says of itself, at once. */
export interface WorkReaderEvents {
  /** The partitions of this member from now on. Records in them that are not committed come again, in a new generation. */
  assigned(partitions: readonly number[]): void;
  /** For all that this member knows, its partitions are others' now. */
  lost(): void;
}

export interface WorkMembershipOptions<R extends WorkRecord> {
  readonly crew: string;
  readonly codec: WorkCodec;
  /** Joins the group. */
  readonly open: (events: WorkReaderEvents) => Promise<WorkReader<R>>;
  /** It was closed. */
  readonly onClosed?: ((member: WorkMembership<R>) => void) | undefined;
}

/** What is known of one record. States: *waiting* → *given* → *done*, and then committed and forgotten; *lost* from any. */
interface Entry<R> {
  readonly record: R;
  /** Those of other crews are done as they are. */
  state: 'waiting' | 'given' | 'done';
  /** In which it came last: only in that one it can be committed. */
  generation: number;
  readonly lost: AbortController;
}

/**
 * Which items are with this member. Unlike what a store is fed with, work goes on while the group is shared out anew, as far
 * as its partition stays here: it takes long, and its next owner would begin it again. A record is committed when it
 * and all before it are done, in the generation in which it was read last.
 */
export class WorkMembership<R extends WorkRecord> implements WorkMember {
  readonly #options: WorkMembershipOptions<R>;
  /** By partition, those that are ours only, and offset. */
  readonly #lots = new Map<number, Map<number, Entry<R>>>();
  readonly #watchers = new Watchers();
  readonly #closing = new AbortController();
  #reader: WorkReader<R> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #reading: Promise<void> = Promise.resolve();

  private constructor(options: WorkMembershipOptions<R>) {
    this.#options = options;
  }

  static async open<R extends WorkRecord>(options: WorkMembershipOptions<R>): Promise<WorkMembership<R>> {
    const member = new WorkMembership(options);
    const reader = await options.open({
      assigned: (partitions) => member.#keepOnly(new Set(partitions)),
      lost: () => member.#keepOnly(new Set()),
    });
    member.#reader = reader;
    member.#reading = member.#read(reader);
    return member;
  }

  get leads(): boolean {
    return this.#lots.has(0);
  }

  changed(signal?: AbortSignal): Promise<void> {
    return this.#watchers.changed(signal);
  }

  async *tasks(signal: AbortSignal): AsyncIterable<WorkTask> {
    const wake = (): void => this.#watchers.wake();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted && !this.#closing.signal.aborted) {
        if (this.#failure !== undefined) throw this.#failure.error;
        const next = this.#nextWaiting();
        if (next === undefined) await this.#watchers.changed();
        else yield this.#give(next);
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#keepOnly(new Set());
    await this.#reader?.close();
    await this.#reading;
    this.#options.onClosed?.(this);
  }

  #keepOnly(ours: ReadonlySet<number>): void {
    for (const [partition, entries] of this.#lots) {
      if (ours.has(partition)) continue;
      this.#lots.delete(partition);
      for (const { lost } of entries.values()) lost.abort();
    }
    for (const partition of ours) {
      if (!this.#lots.has(partition)) this.#lots.set(partition, new Map());
    }
    this.#watchers.wake();
  }

  async #read(reader: WorkReader<R>): Promise<void> {
    try {
      for await (const batch of reader.batches(this.#closing.signal)) {
        // What came while the group was being shared out comes again.
        if (reader.isCurrent(batch)) this.#take(batch);
      }
    } catch (error) {
      this.#failure = { error };
      this.#keepOnly(new Set());
    }
    this.#watchers.wake();
  }

  #take({ records, generation }: WorkBatch<R>): void {
    for (const record of records) {
      const entries = this.#lots.get(record.partition);
      if (entries === undefined) continue;
      const known = entries.get(record.offset);
      if (known !== undefined) known.generation = generation;
      else {
        const state = record.key === this.#options.crew ? 'waiting' : 'done';
        entries.set(record.offset, { record, state, generation, lost: new AbortController() });
      }
    }
    this.#watchers.wake();
    // Where these are news, what was done meanwhile can be committed now.
    for (const partition of new Set(records.map((record) => record.partition))) {
      this.#commit(partition).catch((error: unknown) => this.#fail(error));
    }
  }

  /** Of all that wait, the one with the fewest before it that are not done. */
  #nextWaiting(): Entry<R> | undefined {
    const firsts = Array.from(this.#lots, ([lot, entries]) => {
      const left = inOrder(entries).filter(({ state }) => state !== 'done');
      const place = left.findIndex(({ state }) => state === 'waiting');
      return { entry: left[place], place, lot };
    }).filter(({ entry }) => entry !== undefined);
    return firsts.toSorted((one, other) => one.place - other.place || one.lot - other.lot)[0]?.entry;
  }

  #give(entry: Entry<R>): WorkTask {
    entry.state = 'given';
    const { signal } = entry.lost;
    return {
      body: this.#options.codec.decode(entry.record.value),
      signal,
      done: async () => {
        if (signal.aborted) return;
        entry.state = 'done';
        await this.#commit(entry.record.partition);
      },
    };
  }

  /** Commits what is done at the front of a lot. */
  async #commit(partition: number): Promise<void> {
    const entries = this.#lots.get(partition);
    const reader = this.#reader;
    if (entries === undefined || reader === undefined) return;
    let last: Entry<R> | undefined;
    for (const entry of inOrder(entries)) {
      // Of an older generation: it is on its way to us again.
      if (entry.state !== 'done' || !reader.isCurrent({ records: [], generation: entry.generation })) break;
      last = entry;
      entries.delete(entry.record.offset);
    }
    if (last !== undefined) await reader.commit({ records: [last.record], generation: last.generation });
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#watchers.wake();
  }
}

/** A commit that was dropped brings back a record that comes before others that are known. */
function inOrder<R extends WorkRecord>(entries: ReadonlyMap<number, Entry<R>>): readonly Entry<R>[] {
  return [...entries.values()].sort((one, other) => one.record.offset - other.record.offset);
}
