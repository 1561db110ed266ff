import { createHash } from 'node:crypto';
import type { LogRecord } from '../log.ts';

const FORMAT = 'changeover/1';
const NONE = '-';
const HASH_BYTES = 15;

/** What a group commits beside an offset, and reads again when it goes on there. */
export interface Memo {
  /** Of the record before the offset, where it is known. */
  readonly mark: string | null;
  /** The topics in which the group had committed something by then. */
  readonly topics: readonly string[];
}

/**
 * What a record is known by, in a few bytes. A topic that was made again may have the same offsets, and its id is not in
 * what kafkajs can ask; but it has not the same record at the place that was read last, with the same time.
 */
export function markOf({
  key,
  value,
  timestampMs,
}: Pick<LogRecord, 'key' | 'value' | 'timestampMs'>): string {
  const hash = createHash('sha256').update(`${key.length} ${key}`);
  if (value !== null) hash.update(value);
  return `${timestampMs}-${hash.digest().toString('base64url', 0, HASH_BYTES)}`;
}

export function formatMemo({ mark, topics }: Memo): string {
  return `${FORMAT} ${mark ?? NONE} ${topics.join(',')}`;
}

/** Empty where another program, or an older one, has committed. */
export function parseMemo(metadata: string | null): Memo {
  const [format, mark = NONE, topics = ''] = metadata?.split(' ') ?? [];
  if (format !== FORMAT) return { mark: null, topics: [] };
  return { mark: mark === NONE ? null : mark, topics: topics.split(',').filter((topic) => topic !== '') };
}
