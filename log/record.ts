import type { Kind } from '../schemas/kinds.ts';

/** A record as it came from the log, not yet decoded. */
export interface LogRecord {
  readonly kind: Kind;
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  /** Null for a record without a value, which no publisher of ours writes. */
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds since 1970, as the broker has it. */
  readonly timestampMs: number;
}

/** Where a record stands. */
export type LogPlace = Pick<LogRecord, 'kind' | 'partition' | 'offset'>;
