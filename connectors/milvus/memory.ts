import type { Clock } from '../../core/clock.ts';
import type { Tenure } from '../connector.ts';
import { type Consistency, type HeldVersions, isLeftover } from './versions.ts';

interface MemoryOptions {
  /** A timestamp of the server, greater than those of all confirmed writes; undefined where it gives none. */
  readonly timestamp: (tenure?: Tenure) => Promise<string | undefined>;
  readonly clock: Clock;
}

/** What one batch may rely on. */
export interface Recollection {
  /** What the sink itself has written or read of this id. */
  recall(id: string): HeldVersions | undefined;
  /** How fresh a read of the other ids must be. */
  readonly consistency: Consistency;
  /** Takes note of what the store has confirmed; of nothing, when everything was forgotten meanwhile. */
  remember(id: string, held: HeldVersions): void;
}

/** Ids and some characters of ids: both generations together take about 20 MB at most. */
const MAX_IDS = 50_000;
const MAX_CHARACTERS = 4 * 1024 * 1024;
/** A generation is closed after half of this, and let go after all of it. */
const MAX_AGE_MS = 60_000;

interface Generation {
  readonly sinceMs: number;
  /** Positive: the version of a row that counts. Negative: that of a tombstone, with no row left. */
  readonly versions: Map<string, number>;
  characters: number;
}

/**
 * What the sink knows of the store from its own work, so that the guard need not read it again. It is right only while
 * nobody else writes those keys, which the sink cannot know. So it remembers nothing at all until `forget` is called for
 * the first time: by that call, and by calling it again whenever the keys may have had another writer, the caller vouches
 * for being the only one in between.
 *
 * An id that it does not remember was written by the sink longer ago, or before the last `forget`, or never. A read sees
 * all of that when it sees as far as a timestamp that was taken after it: so it need not wait for the newest writes to
 * other ids to become visible, as `Strong` does (50 ms on an idle server, 150 ms on a busy one, against 10).
 *
 * Two generations: the older one is let go when the younger is full or old, and the timestamp up to which reads must see
 * is then that of the moment in which the older one was closed. Nothing is relied on for more than a minute.
 */
export class VersionMemory {
  readonly #options: MemoryOptions;
  #active = false;
  /** Counts what was forgotten, so that a batch that was under way then takes note of nothing. */
  #epoch = 0;
  #young: Generation;
  #old: Generation;
  /** Taken after everything that is in neither generation was confirmed; undefined when it must be asked for. */
  #seesUntil: string | undefined;
  /** Taken when `#old` was closed. */
  #oldClosedAt: string | undefined;

  constructor(options: MemoryOptions) {
    this.#options = options;
    this.#young = this.#generation();
    this.#old = this.#generation();
  }

  /** Begins anew: from now on until the next call the caller's changes are the only ones to their keys. */
  forget(): void {
    this.#active = true;
    this.clear();
  }

  /** After a write of unknown outcome. */
  clear(): void {
    this.#epoch++;
    this.#young = this.#generation();
    this.#old = this.#generation();
    this.#seesUntil = undefined;
    this.#oldClosedAt = undefined;
  }

  /** Once for each batch, before it reads. */
  async recollect(tenure?: Tenure): Promise<Recollection> {
    if (!this.#active) return NOTHING_REMEMBERED;
    if (this.#options.clock.elapsedMs() - this.#young.sinceMs > MAX_AGE_MS) this.clear();
    const epoch = this.#epoch;
    await this.#age(tenure);
    if (epoch === this.#epoch && this.#seesUntil === undefined) {
      const timestamp = await this.#options.timestamp(tenure);
      if (epoch === this.#epoch) this.#seesUntil = timestamp;
    }
    // Forgotten meanwhile: this batch does without.
    if (epoch !== this.#epoch) return NOTHING_REMEMBERED;
    const timestamp = this.#seesUntil;
    const [young, old] = [this.#young, this.#old];
    return {
      consistency: timestamp === undefined ? 'Strong' : { timestamp },
      recall: (id) => heldOf(young.versions.get(id) ?? old.versions.get(id)),
      remember: (id, held) => {
        if (epoch === this.#epoch) note(this.#young, id, held);
      },
    };
  }

  async #age(tenure: Tenure | undefined): Promise<void> {
    const nowMs = this.#options.clock.elapsedMs();
    const ageMs = nowMs - this.#young.sinceMs;
    const { versions, characters } = this.#young;
    const full = versions.size >= MAX_IDS || characters >= MAX_CHARACTERS;
    const oldAgeMs = nowMs - this.#old.sinceMs;
    if (!full && ageMs < MAX_AGE_MS / 2 && (oldAgeMs < MAX_AGE_MS || this.#old.versions.size === 0)) return;
    const epoch = this.#epoch;
    const closedAt = await this.#options.timestamp(tenure);
    if (epoch !== this.#epoch) return;
    // Before the first generation was closed there is none to let go, and what reads must see has not moved.
    if (this.#old.versions.size > 0) this.#seesUntil = this.#oldClosedAt;
    this.#oldClosedAt = closedAt;
    this.#old = this.#young;
    this.#young = this.#generation();
  }

  #generation(): Generation {
    return { sinceMs: this.#options.clock.elapsedMs(), versions: new Map(), characters: 0 };
  }
}

const NOTHING_REMEMBERED: Recollection = {
  consistency: 'Strong',
  recall: () => undefined,
  remember: () => {},
};

function heldOf(version: number | undefined): HeldVersions | undefined {
  if (version === undefined) return undefined;
  if (version > 0) return { row: version, tombstone: undefined };
  return { row: undefined, tombstone: -version };
}

/** A tombstone under a newer row decides nothing; of a row that its tombstone has overtaken nothing is noted. */
function note(generation: Generation, id: string, held: HeldVersions): void {
  const { row, tombstone } = held;
  if (isLeftover(held) || (row ?? tombstone) === undefined) return;
  if (!generation.versions.has(id)) generation.characters += id.length;
  generation.versions.set(id, row ?? -(tombstone ?? 0));
}
