import type { Change } from '../../../schemas/change.ts';
import { type Codec, createCodec } from '../../../schemas/codec.ts';
import type { Kind } from '../../../schemas/kinds.ts';
import { DICTIONARY_KINDS, type DictionaryKind } from '../dictionary-kinds.ts';

/**
 * One captured change in the journal:
 *
 *     flags (1) · kind (1) · number (8, a double) · length of key (4), key · length of value (4), value
 *     · length of raw (4), raw
 *
 * The value is the change as the log takes it (Avro, single-object encoding), with its `before` where it has one. `raw`
 * is the whole agent as JSON, where it has more than the change and what was there before say. Entries in the outbox are
 * numbered 1, 2, 3 … without a gap, through all journals that follow one another.
 */
export interface CapturedBytes {
  readonly bytes: Buffer;
  readonly kind: DictionaryKind;
  /** Its number in the outbox, or `LOST` or `NOT_CAPTURED` where it is not in it. */
  readonly number: number;
  /** Whether its writer gave it its event id, by which it is known again. */
  readonly named: boolean;
  readonly key: string;
  readonly value: Buffer;
  readonly raw: Buffer | undefined;
}

/** The outbox was full, and its policy is to drop. */
export const LOST = 0;
/** Of a kind that has its origin in another store. */
export const NOT_CAPTURED = -1;

const NAMED = 1;
const FIXED_BYTES = 14;

const codec: Codec = createCodec();

export interface EncodedChange {
  /** As the log takes it. */
  readonly value: Buffer;
  readonly keyBytes: number;
}

/** Throws when it is nothing that the schema can say. */
export function encodeValue(change: Change): EncodedChange {
  return { value: codec.encode(change), keyBytes: Buffer.byteLength(change.key) };
}

interface CapturedEntry {
  readonly change: Change;
  readonly encoded: EncodedChange;
  readonly number: number;
  readonly named: boolean;
  /** The raw agent as JSON. */
  readonly json: Buffer | undefined;
}

export function encodeCaptured({ change, encoded, number, named, json }: CapturedEntry): Buffer {
  const { value, keyBytes } = encoded;
  const entry = Buffer.allocUnsafe(FIXED_BYTES + keyBytes + value.byteLength + 8 + (json?.byteLength ?? 0));
  entry.writeUInt8(named ? NAMED : 0, 0);
  entry.writeUInt8((DICTIONARY_KINDS as readonly Kind[]).indexOf(change.kind), 1);
  entry.writeDoubleLE(number, 2);
  entry.writeUInt32LE(keyBytes, 10);
  entry.write(change.key, FIXED_BYTES);
  let at = FIXED_BYTES + keyBytes;
  entry.writeUInt32LE(value.byteLength, at);
  entry.set(value, at + 4);
  at += 4 + value.byteLength;
  entry.writeUInt32LE(json?.byteLength ?? 0, at);
  if (json !== undefined) entry.set(json, at + 4);
  return entry;
}

/** The entries of a record, not decoded: many who read a journal want only some of them. */
export function* splitCaptured(payload: Buffer, start: number): Generator<CapturedBytes> {
  for (let at = start; at < payload.byteLength; ) {
    const keyEnd = at + FIXED_BYTES + payload.readUInt32LE(at + 10);
    const valueEnd = keyEnd + 4 + payload.readUInt32LE(keyEnd);
    const end = valueEnd + 4 + payload.readUInt32LE(valueEnd);
    yield {
      bytes: payload.subarray(at, end),
      kind: DICTIONARY_KINDS[payload.readUInt8(at + 1)] ?? 'agent',
      number: payload.readDoubleLE(at + 2),
      named: (payload.readUInt8(at) & NAMED) !== 0,
      key: payload.toString('utf8', at + FIXED_BYTES, keyEnd),
      value: payload.subarray(keyEnd + 4, valueEnd),
      raw: end > valueEnd + 4 ? payload.subarray(valueEnd + 4, end) : undefined,
    };
    at = end;
  }
}

/** Throws `change-rejected` for a value that is no change. */
export function decodeCaptured({ kind, key, value }: Pick<CapturedBytes, 'kind' | 'key' | 'value'>): Change {
  return codec.decode(kind, key, value);
}

/** The same entry without its raw agent, which is in the base by now. */
export function withoutRaw({ bytes, raw }: CapturedBytes): Buffer {
  if (raw === undefined) return bytes;
  const shorter = Buffer.from(bytes.subarray(0, bytes.byteLength - raw.byteLength));
  shorter.writeUInt32LE(0, shorter.byteLength - 4);
  return shorter;
}
