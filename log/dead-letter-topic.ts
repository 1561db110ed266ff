import type { LogPlace } from './record.ts';

/** Why a record is refused: its bytes are no change, or they are one that the store cannot hold. */
export type RefusalClass = 'unreadable' | 'rejected';

export interface Resolution {
  readonly state: 'redriven' | 'dropped';
  readonly by: string;
  readonly note: string;
  /** Microseconds since 1970. */
  readonly at: number;
}

/** What is known of one record that a store refused, as of one moment. */
export interface DeadLetter extends LogPlace {
  /** The store, as the configuration names it: `target.postgres`. */
  readonly sink: string;
  /** The record's own. */
  readonly key: string;
  readonly class: RefusalClass;
  readonly reason: string;
  /** The change's; null where it could not be read. */
  readonly version: number | null;
  /** Of the record's value, in hex; null for a record without one. */
  readonly payloadSha256: string | null;
  /** What was kept of the value: nothing, the change as JSON with masked fields, or all of it. */
  readonly payloadForm: 'none' | 'masked' | 'full';
  readonly payload: Buffer | null;
  /** Microseconds since 1970. */
  readonly refusedAt: number;
  readonly resolution: Resolution | null;
}

/**
 * The topic of what stores refused. A letter is written again with what became of it; of several about one record of one store
 * the last one counts (a crash leaves doubles, too). They share a partition, so they have an order.
 */
export interface DeadLetterTopic {
  /**
   * Resolves when all of them are durable. A payload with which a letter is larger than the log takes is left out, and the
   * letter's reason says so.
   */
  write(letters: readonly DeadLetter[]): Promise<void>;
  /**
   * All letters as of a moment after the call, those about one record in the order in which they were written. Payloads are
   * null but where `keepPayload` asks for them, because there may be many large ones.
   */
  read(keepPayload?: (letter: DeadLetter) => boolean): Promise<readonly DeadLetter[]>;
}
