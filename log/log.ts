import type { Closable } from '../core/service.ts';
import type { Change } from '../schemas/change.ts';
import type { Kind } from '../schemas/kinds.ts';
import type { ControlTopic } from './control-topic.ts';
import type { DeadLetterTopic } from './dead-letter-topic.ts';
import type { LogPlace, LogRecord } from './record.ts';
import type { WorkTopic } from './work-topic.ts';

export type { ControlRecord, ControlTopic } from './control-topic.ts';
export type { DeadLetter, DeadLetterTopic, RefusalClass, Resolution } from './dead-letter-topic.ts';
export type { LogPlace, LogRecord } from './record.ts';
export type { WorkItem, WorkMember, WorkTask, WorkTopic } from './work-topic.ts';

/**
 * The log: what everything else in Changeover needs of Kafka, and no more. No type of a Kafka client leaves this
 * folder. There are two implementations, Kafka and in memory; test/contract/log.ts holds both to these promises.
 *
 * `close` closes everything that was opened through the log. After it every call is refused with `aborted`.
 */
export interface Log extends Closable {
  /**
   * Creates the topics that are missing and checks those that are there. Throws `mismatch` when a topic has another
   * partition count than configured, because then equal keys are no longer in one partition. Repeating it is harmless.
   */
  prepare(): Promise<void>;
  /**
   * Throws `mismatch` when the topics are not there; call `prepare` first. The same holds for all below. One publisher
   * serves a whole process: several cost connections, and two of them promise nothing about the order between them.
   */
  publisher(): Promise<Publisher>;
  subscribe(options: SubscribeOptions): Promise<Subscription>;
  /** Where each partition of these kinds begins and ends, and how far a consumer group has committed. */
  positions(kinds: readonly Kind[], group?: string): Promise<readonly PartitionPosition[]>;
  /**
   * When the log got the records at these places, in ms since 1970 and in their order: right to a quarter of a second or a
   * tenth of the record's age. Undefined where there is no record yet. It costs some questions for each place.
   */
  arrivals(places: readonly LogPlace[]): Promise<readonly (number | undefined)[]>;
  /** How many members a consumer group has now: none where nobody follows. */
  members(group: string): Promise<number>;
  /**
   * The records at these places, in their order; undefined where the log does not hold one (any more). Who follows the log
   * subscribes; this is for a look at some of them.
   */
  records(places: readonly LogPlace[]): Promise<readonly (LogRecord | undefined)[]>;
  readonly control: ControlTopic;
  readonly deadLetters: DeadLetterTopic;
  readonly work: WorkTopic;
}

/**
 * Writes changes. `publish` resolves when every one of them is on all in-sync replicas, and rejects when one could not
 * be written; then any of them may have been, and publishing all again is safe. Two calls for one key arrive in the
 * order of the calls, also when the first has not resolved yet. Failures that may pass are tried again for a configured
 * time before a call is rejected. A rejected call takes calls that waited behind it with it, so that they do not overtake
 * it; what is published again may still come behind newer changes, and the version guard in the stores is there for that.
 *
 * A change that is larger than the broker takes, or that is no change of its kind, is refused with `change-rejected`
 * before anything of the call is sent; that call alone is rejected. Calls wait when too much is under way. `close`
 * waits for what is under way, for a bounded time; then it rejects the rest with `aborted`.
 */
export interface Publisher extends Closable {
  publish(changes: readonly Change[]): Promise<void>;
  /**
   * Resolves when so little is under way that a call would not have to wait. Who reads much waits here before reading
   * more: what waits inside of `publish` is held in memory, however much it is. Rejects where a waiting call would.
   */
  ready(): Promise<void>;
}

export interface SubscribeOptions {
  /** Its name is local to this log's prefix. */
  readonly group: string;
  /** The same for all members of a group. */
  readonly kinds: readonly Kind[];
  /** Upper bound on the records of one batch. */
  readonly maxBatchRecords?: number;
  /** Upper bound on the bytes that are held but not yet delivered, over all partitions. */
  readonly maxBufferedBytes?: number;
  /**
   * Begins at the first record that is still there where what comes before it has expired unread, or where the topic was
   * recreated. Holds at the start only: a gap that comes while reading ends the subscription all the same.
   */
  readonly acceptGap?: boolean;
  /** Hears what becomes of the subscription, at once and in order; for counting. It must not throw. */
  readonly onEvent?: (event: SubscriptionEvent) => void;
}

export type SubscriptionEvent =
  /** The group was shared out, and this member has so many partitions of it. */
  | { readonly type: 'rebalanced'; readonly generation: number; readonly partitions: number }
  /** This member has lost the group and joins it again. Follows the next two. */
  | { readonly type: 'member-lost'; readonly reason: string }
  /** Nothing came although there was something to read, or nobody could tell: the consumer is built anew. */
  | { readonly type: 'watchdog'; readonly reason: string }
  /** The group was not heard for most of the session timeout: nothing that was delivered before is current any more. */
  | { readonly type: 'lease-expired'; readonly silentMs: number }
  /** Records are missing; the subscription ends, unless the gap was accepted. */
  | { readonly type: 'gap'; readonly accepted: boolean; readonly message: string }
  /** Bytes of memory, about. */
  | { readonly type: 'fetched'; readonly records: number; readonly bytes: number };

/**
 * Records delivered together, from any of the subscription's partitions: in offset order within each partition, so in
 * publishing order for each key.
 */
export interface RecordBatch {
  readonly records: readonly LogRecord[];
  /** Counts the assignments of partitions; a batch of an older one may hold partitions that another member owns now. */
  readonly generation: number;
}

/**
 * One member of a consumer group. A new group starts at the beginning of each partition. Where the group has committed an
 * offset that the log does not hold any more, or the record before it is another one than was read there, it throws `gap`,
 * unless that is accepted: records were lost unread. So does `batches`, when that comes to be while it reads, also while
 * its reader is slow; and `mismatch` when a topic gets another partition count.
 *
 * `batches` delivers every record at least once, never two batches out of order; it may be iterated once. What has been
 * delivered is held in bounded memory: when the reader is slow, fetching waits, and the membership is kept alive
 * meanwhile. It ends when the signal is aborted or the subscription is closed. Failures that may pass are waited out,
 * however long they take; it throws when the log cannot be read any more. A consumer that stops fetching is built anew.
 *
 * Nothing is committed but by `commit`, which says that everything in that batch and before it has been dealt with. A
 * commit for an older generation than the current one is dropped: those records will be delivered again, here or
 * elsewhere. It waits for as long as the log does not take it for a reason that may pass.
 *
 * `isCurrent` says whether work on a batch may begin here: not when its partitions have been, or are being, shared out anew;
 * not after `close`; nor when the group has not been heard for most of the session timeout, as in a process that was stopped
 * and goes on: others may have the partitions by then. A batch that is not current any more can be put aside: whatever of it
 * is not committed is delivered again. `claim` says that work on it begins, and answers undefined where it may not. While a
 * claim stands, this member neither takes part in a new sharing out nor leaves, so whoever gets the partitions next begins
 * when the work has ended; a commit before the release still counts. This waits for so long as the claim may last, and no
 * longer than some seconds: a work that has not ended by then is left behind, and its partitions are free only after the session timeout.
 */
export interface Subscription extends Closable {
  batches(signal: AbortSignal): AsyncIterable<RecordBatch>;
  isCurrent(batch: RecordBatch): boolean;
  claim(batch: RecordBatch): Claim | undefined;
  commit(batch: RecordBatch): Promise<void>;
}

/** A batch's partitions, held for work that must not meet that of their next owner. */
export interface Claim {
  /** For how long the partitions are surely nobody else's, in ms; 0 when they may be. */
  remainingMs(): number;
  /** Nothing of the work is under way any more. As often as it is called. */
  release(): void;
}

/** Offsets of one partition. */
export interface PartitionPosition {
  readonly kind: Kind;
  readonly partition: number;
  /** The first offset that is still there. */
  readonly start: number;
  /** The offset that the next record will get. */
  readonly end: number;
  /** The offset that the group will read next; null when it has never committed, or no group was named. */
  readonly committed: number | null;
  /**
   * The group has read here, and how far is not known any more, so `committed` is null: the topic was deleted and made again, or
   * its records went before they were read. To a subscription it is a gap.
   */
  readonly forgotten?: true;
}

/** Records that a group has yet to commit. */
export function lagOf(position: PartitionPosition): number {
  return position.end - Math.max(position.committed ?? position.start, position.start);
}
