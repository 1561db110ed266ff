import type { Closable } from '../core/service.ts';

/** One of many things to be done, by whichever process gets it. */
export interface WorkItem {
  /**
   * Items of one lot are with one member at a time, and whoever has a lot has all of it. Lots are spread evenly over the
   * members; numbers that follow each other are apart as far as they can be.
   */
  readonly lot: number;
  /** What is written is read again, as JSON. */
  readonly body: unknown;
}

/**
 * The topic of work that several processes share. Whoever writes items names the crew that they are for; every member of that
 * crew, in whatever process, gets some of them. A crew that nobody has joined yet begins at the first item that is for it.
 */
export interface WorkTopic {
  /** How many lots there are: so many members can have something to do at once. */
  readonly lots: number;
  /** Resolves when all of them are durable. The same item written twice is two. */
  write(crew: string, items: readonly WorkItem[]): Promise<void>;
  /** Throws `mismatch` where the topic is not there. How many have joined says `Log.members`. */
  join(crew: string): Promise<WorkMember>;
}

/**
 * One member of a crew. Every item is with some member until it is done: what a member had that is closed, killed, or not
 * heard for a session is with another one then, and begun there anew. An item may be with two members for a while, when one
 * of them does not know yet that it has lost it, or be done again after it was done; so the work has to be such that twice is
 * as good as once.
 */
export interface WorkMember extends Closable {
  /**
   * Whether this is the one member of the crew that has the first lot. One of them leads, all but a moment of the time, and
   * two only while one of them does not know yet that it has lost the lot.
   */
  readonly leads: boolean;
  /** Resolves when `leads` may have changed, or the signal is aborted. */
  changed(signal?: AbortSignal): Promise<void>;
  /**
   * The items that are with this member, one by one; those that are nearest to the front of their lots first. Ends when the signal is
   * aborted or the member closed. Waits out what may pass, however long; throws when the topic cannot be read any more.
   * It may be iterated once.
   */
  tasks(signal: AbortSignal): AsyncIterable<WorkTask>;
}

/** An item, while it is with this member. */
export interface WorkTask {
  readonly body: unknown;
  /** Aborted when it is with this member no longer: another may have begun it. Not aborted where a member comes or goes and the lot stays. */
  readonly signal: AbortSignal;
  /**
   * Says that all of it is done and durable, so that nobody gets it again. Resolves when that is noted as far as it can be:
   * items of a lot leave it in their order. Without effect where the item is with this member no longer.
   */
  done(): Promise<void>;
}
