import type { Clock } from '../../../core/clock.ts';
import type { Closable } from '../../../core/service.ts';
import type { RedisKind } from '../layout.ts';
import { PlaceFile } from './place-file.ts';

/** An enumeration in use. It stays on disk until everybody who has it has let go of it. */
export interface Lease {
  readonly places: PlaceFile;
  release(): Promise<void>;
}

interface EnumerationsOptions {
  readonly enumerate: (kind: RedisKind) => AsyncIterable<string>;
  readonly clock: Clock;
  /** How old an enumeration may be that is used again. */
  readonly maxAgeMs: number;
}

interface Slot {
  readonly places: Promise<PlaceFile>;
  readonly startedMs: number;
  /** Leases, and one for being the newest of its kind. */
  holders: number;
}

/**
 * The enumerations of a source, on disk. One takes a pass over the keys of the server, so the ranges of a backfill share
 * the newest; whoever wants to see what is there *now* asks for a fresh one.
 */
export class Enumerations implements Closable {
  readonly #options: EnumerationsOptions;
  readonly #newest = new Map<RedisKind, Slot>();

  constructor(options: EnumerationsOptions) {
    this.#options = options;
  }

  fresh(kind: RedisKind): Promise<Lease> {
    return this.#lease(this.#start(kind));
  }

  recent(kind: RedisKind): Promise<Lease> {
    const slot = this.#newest.get(kind);
    const oldest = this.#options.clock.elapsedMs() - this.#options.maxAgeMs;
    return this.#lease(slot !== undefined && slot.startedMs > oldest ? slot : this.#start(kind));
  }

  #start(kind: RedisKind): Slot {
    const { enumerate, clock } = this.#options;
    const places = PlaceFile.write(enumerate(kind));
    const slot: Slot = { places, startedMs: clock.elapsedMs(), holders: 1 };
    const before = this.#newest.get(kind);
    this.#newest.set(kind, slot);
    if (before !== undefined) this.#letGoSoon(before);
    // One that failed must not be offered again. (Its error goes to whoever holds a lease.)
    slot.places.catch(() => {
      if (this.#newest.get(kind) === slot) this.#newest.delete(kind);
    });
    return slot;
  }

  async #lease(slot: Slot): Promise<Lease> {
    slot.holders++;
    const release = () => this.#letGo(slot);
    try {
      return { places: await slot.places, release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  async #letGo(slot: Slot): Promise<void> {
    slot.holders--;
    if (slot.holders > 0) return;
    const places = await slot.places.catch(() => undefined);
    await places?.close();
  }

  #letGoSoon(slot: Slot): void {
    // What cannot be closed now is closed with the process.
    this.#letGo(slot).catch(() => undefined);
  }

  /** What is still on lease is closed when it is released. */
  async close(): Promise<void> {
    const newest = [...this.#newest.values()];
    this.#newest.clear();
    await Promise.all(newest.map((slot) => this.#letGo(slot)));
  }
}
