import { forEachLimited } from '../../../core/sequence.ts';
import type { OutboxBatch } from '../../capture.ts';
import type { ClusterClient } from '../client/cluster-client.ts';
import { pipelined } from '../client/pipelines.ts';
import type { Layout } from '../layout.ts';
import { type EntryContext, readEntries, type StreamEntry } from './outbox-entry.ts';

/** Outboxes that are read in one go, and entries of each: together they are not much more than what was asked for. */
const SLOTS_PER_READ = 128;
const LEAST_PER_SLOT = 10;
const MOST_PER_SLOT = 1_000;
const CALLS_AT_ONCE = 16;
const BEGINNING = '-';

interface ReaderContext extends EntryContext {
  readonly client: ClusterClient;
  /** Called before the first read of an outbox. */
  readonly opening: (own: Layout) => Promise<void>;
}

/** An entry that was read and not yet answered. */
interface Waiting {
  readonly own: Layout;
  /** Its version; where it cannot be told that of the entry before it. */
  readonly rank: number;
  readonly read: OutboxBatch;
}

/**
 * Reads the outboxes of a cluster, each in its order, those that have waited longest for their turn first. What was read
 * of several is answered by versions, which are by time; exact is the order of each outbox, in which all of a key stand.
 */
export class ClusterReader {
  readonly #context: ReaderContext;
  /** Where the next read of each begins. */
  readonly #from = new Map<Layout, string>();
  /** What has something new, as far as is known, in the order of turns. */
  readonly #turns = new Set<Layout>();
  #waiting: readonly Waiting[] = [];
  /** Counts the restarts: a read that was begun before one is void. */
  #round = 0;

  constructor(context: ReaderContext) {
    this.#context = context;
  }

  note(own: Layout): void {
    this.#turns.add(own);
  }

  noteAll(): void {
    for (const own of this.#from.keys()) this.note(own);
  }

  restart(): void {
    this.#round++;
    this.#waiting = [];
    for (const own of this.#from.keys()) this.#from.set(own, BEGINNING);
    this.noteAll();
  }

  /** Undefined where there is nothing new. */
  async read(limit: number): Promise<OutboxBatch | undefined> {
    // Those whose turn it is now, and not those that come meanwhile: what there is must not wait for more.
    const fills = Math.ceil(this.#turns.size / SLOTS_PER_READ);
    for (let fill = 0; fill < fills && this.#waiting.length < limit; fill++) await this.#fill(limit);
    if (this.#waiting.length === 0) return undefined;
    const some = this.#waiting.slice(0, limit);
    this.#waiting = this.#waiting.slice(limit);
    return {
      entries: some.flatMap(({ read }) => read.entries),
      unreadable: some.flatMap(({ read }) => read.unreadable),
    };
  }

  async #fill(limit: number): Promise<void> {
    const held = new Set(this.#waiting.map(({ own }) => own));
    const some = [...this.#turns].filter((own) => !held.has(own)).slice(0, SLOTS_PER_READ);
    if (some.length === 0) return;
    const round = this.#round;
    const share = Math.ceil(limit / some.length);
    const count = Math.min(Math.max(share, LEAST_PER_SLOT), MOST_PER_SLOT);
    for (const own of some) this.#turns.delete(own);
    try {
      const unopened = some.filter((own) => !this.#from.has(own));
      await forEachLimited(unopened, CALLS_AT_ONCE, (own) => this.#context.opening(own));
      const froms = some.map((own) => this.#from.get(own) ?? BEGINNING);
      const answers = await pipelined(
        this.#context.client,
        some.map((own, index) => [
          'xrangeBuffer',
          own.outboxKey,
          froms[index] ?? BEGINNING,
          '+',
          'COUNT',
          count,
        ]),
      );
      if (round !== this.#round) {
        for (const own of some) this.note(own);
        return;
      }
      const read = some.flatMap((own, index) =>
        this.#take(own, froms[index] ?? BEGINNING, answers[index] as readonly StreamEntry[], count),
      );
      this.#waiting = [...this.#waiting, ...read].sort((left, right) => left.rank - right.rank);
    } catch (error) {
      for (const own of some) this.note(own);
      throw error;
    }
  }

  #take(own: Layout, from: string, found: readonly StreamEntry[], count: number): readonly Waiting[] {
    const last = found.at(-1);
    this.#from.set(own, last === undefined ? from : `(${last[0].toString()}`);
    if (found.length >= count) this.note(own);
    let rank = 0;
    return found.map((entry) => {
      const read = namedBySlot(own, readEntries([entry], { ...this.#context, layout: own }));
      rank = read.entries[0]?.change.version ?? rank;
      return { own, rank, read };
    });
  }
}

function namedBySlot(own: Layout, { entries, unreadable }: OutboxBatch): OutboxBatch {
  const name = <E extends { readonly id: string }>(entry: E): E => ({
    ...entry,
    id: nameOfEntry(entry.id, own),
  });
  return { entries: entries.map(name), unreadable: unreadable.map(name) };
}

/** What an entry of one of the outboxes is called outside: each of them numbers its own. */
export function nameOfEntry(id: string, { cluster }: Layout): string {
  return `${cluster?.slot}/${id}`;
}

/** The outbox that an entry's name says it is in, and its name there. Undefined where it is no name of ours. */
export function placeOfEntry(id: string, layout: Layout): readonly [own: Layout, id: string] | undefined {
  const [, slot, own] = /^(\d{1,5})\/(\d+-\d+)$/.exec(id) ?? [];
  const found = slot === undefined ? undefined : layout.cluster?.of(Number(slot));
  return found === undefined || own === undefined ? undefined : [found, own];
}
