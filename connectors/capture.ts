import type { Closable } from '../core/service.ts';
import type { Change, EntityOf, Path } from '../schemas/change.ts';
import type { EmbeddingSpace } from '../schemas/embedding-space.ts';
import type { Kind } from '../schemas/kinds.ts';

/**
 * The seam of an origin store: how its writes reach the log.
 *
 * Every captured write is one atomic unit with its version and its entry in the store's own *outbox*: all three are there
 * or none is. The relay (producers/relay) drains the outbox into the log. test/contract/capture.ts holds every
 * implementation to these promises, on the real server.
 *
 * - An entry carries the state itself: what the log says of version v is what was committed as v. A delete carries the
 *   state before it, where there was one.
 * - Versions strictly increase per key, whoever writes, also when the clock was set back and when a key that was deleted
 *   is created again: `max(last + 1, now in µs)`.
 * - Entries of one key come out of the outbox in the order of their versions, which is the order of their commits.
 * - Deleting an agent captures the deletes of the relationships that start or end at it in this store, then its own.
 * - What a follower writes (the store's `sink`) is never captured.
 */
export interface Capture {
  /** The kinds of which this store is the origin: those whose writes are captured. */
  readonly kinds: readonly Kind[];
  /** Makes what capture needs in the store, and makes it active where the store itself captures. Repeating it is harmless. */
  install(): Promise<void>;
  /** Ends capture. Throws `conflict` while the outbox holds entries: they would be lost. */
  uninstall(): Promise<void>;
  status(): Promise<CaptureStatus>;
  /**
   * Writes to the store, captured. One result per write, in their order. Each write is atomic, a batch need not be; writes
   * of one key take effect in their order. What is no entity of its kind, of another embedding space, or larger than the
   * log takes is rejected before anything of it is written, and so is a kind that is not among `kinds`. Throws
   * `outbox-full` where the outbox may take no more and its policy is to refuse; then nothing of the batch that has no
   * result yet was written. Throws `aborted` once the store is closed.
   */
  write(writes: readonly EntityWrite[], path?: CapturePath): Promise<readonly WriteResult[]>;
  /** Becomes the one that drains the outbox; undefined while another process is. A claim ends when it is not renewed. */
  claim(): Promise<Drain | undefined>;
  /** Those that were set aside, read in pages. Of one that is set aside or cleared meanwhile it may tell or not. */
  setAsideEntries(): AsyncIterable<SetAsideEntry>;
  /**
   * Forgets entries that were set aside, also while a relay is at work. Answers how many of them there were; ids of
   * entries that are not set aside are no error.
   */
  clearSetAside(ids: readonly string[]): Promise<number>;
  /** Forgets that writes went uncaptured up to a time (µs since 1970): since then every follower was found equal. */
  acceptLoss(untilUs: number): Promise<void>;
}

export type CapturePath = Extract<Path, 'shim' | 'ingest'>;

/** What an application asks for: "from now on this is the entity's state", or (null) "there is none any more". */
export type EntityWrite = {
  readonly [K in Kind]: {
    readonly kind: K;
    readonly key: string;
    readonly entity: EntityOf[K] | null;
    /**
     * Who asks with one twice has it done once, within the time for which the store remembers
     * (24 hours; a dictionary: the newest 100,000).
     */
    readonly eventId?: string;
  };
}[Kind];

export type WriteResult =
  | { readonly status: 'written'; readonly version: number }
  /** Its event id was seen before; this is what came of it then. Nothing was written now. */
  | { readonly status: 'repeated'; readonly version: number }
  /** Nothing was written, and trying again will not help. */
  | { readonly status: 'rejected'; readonly reason: string };

export interface CaptureStatus {
  /** Whether a write that is made now, in the way this store is captured, reaches the outbox. */
  readonly active: boolean;
  /** In words: how it captures, or why it does not. */
  readonly detail: string;
  /** Entries that the log has not confirmed. */
  readonly entries: number;
  /** When the oldest of them was captured, in µs since 1970. */
  readonly oldestUs: number | null;
  /** From here on the policy for a full outbox holds. */
  readonly maxEntries: number;
  /** Entries that were set aside because the log cannot take them. They are kept. */
  readonly setAside: number;
  /** When writes first went uncaptured because the outbox was full (policy `drop`): a new backfill is needed. */
  readonly lostSinceUs: number | null;
}

/** One change as it was committed. */
export interface OutboxEntry {
  /** Names it in the outbox; never given to another entry. */
  readonly id: string;
  readonly change: Change;
}

/** An entry of which no change can be made. */
export interface UnreadableEntry {
  readonly id: string;
  /** In words that the owner of the application understands. */
  readonly where: string;
  readonly reason: string;
}

/** An entry that the log can never take, as far as it can be told. */
export interface SetAsideEntry {
  /** As it was in the outbox. */
  readonly id: string;
  /** Empty where the entry does not say it. */
  readonly kind: string;
  readonly key: string;
  readonly reason: string;
  /** When it was captured, in µs since 1970. */
  readonly capturedUs: number | null;
}

export interface OutboxBatch {
  readonly entries: readonly OutboxEntry[];
  readonly unreadable: readonly UnreadableEntry[];
}

export interface NextOptions {
  readonly limit: number;
  /** How long to wait for an entry where there is none now. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/**
 * The right to drain one outbox. `close` gives it up.
 *
 * Of several processes one has it at a time, as long as it renews in time. One that was held up for longer may still
 * believe that it has it: then its `discard` and `setAside` throw `conflict` and change nothing.
 */
export interface Drain extends Closable {
  /** Within this time after the last one the claim has to be renewed. */
  readonly renewWithinMs: number;
  /** False when the claim has been lost. */
  renew(): Promise<boolean>;
  /** The oldest entries that `next` has not answered yet; none when the wait is over or the signal was aborted. */
  next(options: NextOptions): Promise<OutboxBatch>;
  /** What was answered and not discarded is answered again, from the oldest on. */
  restart(): void;
  /** Removes entries that the log has confirmed. Entries that are gone already are no error. */
  discard(ids: readonly string[]): Promise<void>;
  /** Takes an entry that the log can never take out of the way, and keeps it with the reason. */
  setAside(entry: Pick<UnreadableEntry, 'id' | 'reason'>): Promise<void>;
}

/** What capture has to know of the rest of the deployment, to refuse a write before it is made. */
export interface CaptureSettings {
  /** The largest change that the log takes (as `kafka.maxChangeBytes`). */
  readonly maxChangeBytes: number;
  /** The space of the collection that the embeddings go to; undefined where the first embedding decides. */
  readonly space?: EmbeddingSpace | undefined;
  /** This process, for the changes' origin. */
  readonly writer: string;
}
