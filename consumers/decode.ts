import { messageOf } from '../core/errors.ts';
import type { LogRecord } from '../log/log.ts';
import type { Codec } from '../schemas/codec.ts';
import type { Refused } from './refused.ts';
import type { Received } from './stage.ts';

/** A record as far as it could be read. */
export type Decoded = Received | Refused;

export function isReceived(decoded: Decoded): decoded is Received {
  return 'change' in decoded;
}

export function decode(record: LogRecord, codec: Codec): Decoded {
  const { kind, key, value } = record;
  if (value === null) return { record, class: 'unreadable', reason: 'it has no value' };
  try {
    return { record, change: codec.decode(kind, key, value) };
  } catch (error) {
    return { record, class: 'unreadable', reason: messageOf(error) };
  }
}
