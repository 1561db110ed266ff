/** One fact about the migration; `body` is what was written, parsed. */
export interface ControlRecord {
  readonly subject: string;
  readonly body: unknown;
  readonly writer: string;
  /** Microseconds since 1970. */
  readonly writtenAt: number;
}

/**
 * The compacted topic of facts about the migration itself. The newest record of a subject is the fact.
 * Writes of one process keep their order and are durable when they resolve.
 */
export interface ControlTopic {
  write(subject: string, body: unknown): Promise<void>;
  /** Every fact whose subject starts with `prefix`, as of a moment after the call. */
  read(prefix: string): Promise<ReadonlyMap<string, ControlRecord>>;
}
