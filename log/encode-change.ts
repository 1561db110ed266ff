import { ChangeoverError, messageOf } from '../core/errors.ts';
import type { Change } from '../schemas/change.ts';
import type { Codec } from '../schemas/codec.ts';
import { RECORD_OVERHEAD_BYTES } from '../schemas/record-size.ts';

export interface EncodedChange {
  readonly key: Buffer;
  readonly value: Buffer;
  /** What it counts for, with what is stored beside key and value. */
  readonly bytes: number;
}

const MAX_REASON_CHARACTERS = 200;

/** Throws `change-rejected` for what is no change, and for one that is larger than the log takes. */
export function encodeChange(codec: Codec, change: Change, maxBytes: number): EncodedChange {
  const key = Buffer.from(change.key);
  const value = encode(codec, change);
  const bytes = key.byteLength + value.byteLength + RECORD_OVERHEAD_BYTES;
  if (bytes <= maxBytes) return { key, value, bytes };
  throw new ChangeoverError(
    'change-rejected',
    `The change of ${change.kind} ${change.key} has ${bytes} bytes, more than the ${maxBytes} that the log takes.`,
    { hint: "Make the entity smaller, or raise kafka.maxChangeBytes and the topic's max.message.bytes." },
  );
}

function encode(codec: Codec, change: Change): Buffer {
  try {
    return codec.encode(change);
  } catch (error) {
    throw new ChangeoverError(
      'change-rejected',
      // The codec names the value that it cannot take, whole.
      `Not a change of ${change.kind} ${change.key}: ${messageOf(error).slice(0, MAX_REASON_CHARACTERS)}`,
      { cause: error },
    );
  }
}
