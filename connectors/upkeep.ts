import type { Kind } from '../schemas/kinds.ts';

/**
 * The seam of what a store keeps beside its entities, and how it gets rid of it: tombstones, which keep older changes from
 * bringing a deleted entity back, and stubs, which a graph needs as ends of relationships. test/contract/upkeep.ts holds
 * every implementation to these promises, on the real server.
 *
 * A store cannot know which older changes may still be delivered: whoever calls it does (cli/work/oldest-replay.ts).
 */
export interface Upkeep {
  /** The kinds of which this store keeps tombstones. */
  readonly kinds: readonly Kind[];
  /** Reads page by page; changes nothing. Beside writes it is about right. */
  countTombstones(kind: Kind, before: number, signal?: AbortSignal): Promise<TombstoneCount>;
  /**
   * Removes the tombstones whose version is smaller than `before`, and answers after each batch how many it removed. A batch
   * is one step: who stops between two, or is killed, leaves the others, and the next call removes them.
   *
   * No tombstone goes that is newer at the moment when it would go, or whose key was written meanwhile: it is looked at
   * under the lock, or in the statement, in which the store's guard decides. A store of which that cannot be said
   * (`oneWriter` of its connector) is purged while nobody else writes to it.
   *
   * For a key whose tombstone has gone the store has never heard of it: any change of it is newer.
   */
  purgeTombstones(kind: Kind, before: number, options?: PurgeOptions): AsyncIterable<number>;
  /** Where relationships need ends. */
  readonly stubs?: Stubs;
}

export interface TombstoneCount {
  readonly all: number;
  /** Those of a smaller version than asked for. */
  readonly older: number;
}

export interface PurgeOptions {
  /** About how many rows are looked at in one batch. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

export const PURGE_BATCH = 1_000;

/** The nodes that stand for an entity which is not there. */
export interface Stubs {
  count(): Promise<StubCount>;
  /**
   * Removes the stubs that no relationship needs any more, as a crash leaves them, under the locks in which the sink makes and removes
   * them. Answers after each batch how many it removed. One that has a relationship stays.
   */
  removeIdle(options?: PurgeOptions): AsyncIterable<number>;
}

export interface StubCount {
  /** No relationship needs them. */
  readonly idle: number;
  /** Ends of relationships whose entity has not come. */
  readonly awaited: number;
  /** Ends of relationships whose entity was deleted. */
  readonly deleted: number;
  /** Keys of some that are awaited. */
  readonly examples: readonly string[];
}
