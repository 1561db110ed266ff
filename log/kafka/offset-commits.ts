import type { Clock } from '../../core/clock.ts';
import type { Place } from './member.ts';
import { placeOf } from './records.ts';

/** Where a partition is to be read next. */
export interface NextOffset extends Place {
  readonly offset: number;
  /** Of the record before it, to be committed beside it. Made when it is sent: most never are. */
  readonly mark?: () => string;
}

export interface OffsetCommitsOptions {
  readonly clock: Clock;
  /** Ends the pauses between requests. */
  readonly closing: AbortSignal;
  /** Resolves when they are committed, or void because the partitions have been shared out anew. */
  send(offsets: readonly NextOffset[]): Promise<void>;
}

/**
 * Between two requests. One for each batch of a change or two would be a request for every change, which waits for the
 * fetch before it on the same connection; and all that it saves is to apply them again after a crash.
 */
const PAUSE_MS = 50;

/**
 * Commits what has been dealt with: one request after the other, so that a slow one cannot take back a later one, each
 * with everything that has come meanwhile. The first after a while goes at once.
 */
export class OffsetCommits {
  readonly #options: OffsetCommitsOptions;
  /** The newest offset of each place that is due, under way or committed in this generation. */
  readonly #known = new Map<string, number>();
  /** What the next request commits, by place. */
  readonly #due = new Map<string, NextOffset>();
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();
  #rest: Promise<void> = Promise.resolve();

  constructor(options: OffsetCommitsOptions) {
    this.#options = options;
  }

  /** Resolves when these, or later ones of the same places, are committed or void. */
  add(offsets: readonly NextOffset[]): Promise<void> {
    for (const next of offsets) {
      const place = placeOf(next);
      if (next.offset <= (this.#known.get(place) ?? -1)) continue;
      this.#known.set(place, next.offset);
      this.#due.set(place, next);
    }
    if (this.#due.size > 0) this.#next ??= this.#request();
    return this.#next ?? this.#last;
  }

  /** How far a place is committed in this generation, or will be. */
  reached(place: Place): number | undefined {
    return this.#known.get(placeOf(place));
  }

  /** Partitions have been shared out anew: what is not committed yet is void. */
  clear(): void {
    this.#due.clear();
    this.#known.clear();
  }

  async #request(): Promise<void> {
    await this.#rest;
    const offsets = [...this.#due.values()];
    this.#due.clear();
    this.#next = undefined;
    this.#last = this.#send(offsets);
    this.#rest = this.#last.then(
      () => this.#pause(),
      () => {},
    );
    return this.#last;
  }

  async #send(offsets: readonly NextOffset[]): Promise<void> {
    try {
      if (offsets.length > 0) await this.#options.send(offsets);
    } catch (error) {
      for (const next of offsets) {
        if (this.#known.get(placeOf(next)) === next.offset) this.#known.delete(placeOf(next));
      }
      throw error;
    }
  }

  async #pause(): Promise<void> {
    const { clock, closing } = this.#options;
    await clock.sleep(PAUSE_MS, closing).catch(() => {});
  }
}
