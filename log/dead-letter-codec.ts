import { ChangeoverError, messageOf } from '../core/errors.ts';
import { type Framing, openSingleObjectFraming } from '../schemas/framing.ts';
import type { DeadLetter as WireDeadLetter } from '../schemas/generated.ts';
import { KINDS, topicOf } from '../schemas/kinds.ts';
import { RECORD_OVERHEAD_BYTES } from '../schemas/record-size.ts';
import type { DeadLetter, RefusalClass, Resolution } from './log.ts';

export interface EncodedLetter {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly partition: number;
  /** What it counts for, with what is stored beside key and value. */
  readonly bytes: number;
}

/** Turns dead letters into records of their topic and back. */
export interface DeadLetterCodec {
  /** Leaves out a payload with which the letter would have more than that. */
  encode(letter: DeadLetter, maxBytes: number): EncodedLetter;
  /** Throws `mismatch` for bytes that are no letter of this prefix. */
  decode(key: string, value: Buffer): DeadLetter;
}

const TOO_LARGE = 'Its payload was to be kept, and is too large for it.';

export function createDeadLetterCodec(
  prefix: string,
  framing: Framing<'dead-letter'> = openSingleObjectFraming(['dead-letter']),
): DeadLetterCodec {
  const encode = (letter: DeadLetter): EncodedLetter => {
    const key = Buffer.from(letter.key);
    const value = framing.encode('dead-letter', toWire(prefix, letter));
    const bytes = key.byteLength + value.byteLength + RECORD_OVERHEAD_BYTES;
    return { key, value, partition: letter.partition, bytes };
  };
  return {
    encode(letter, maxBytes) {
      const encoded = encode(letter);
      if (encoded.bytes <= maxBytes || letter.payload === null) return encoded;
      const reason = `${letter.reason} (${TOO_LARGE})`;
      return encode({ ...letter, reason, payloadForm: 'none', payload: null });
    },
    decode(key, value) {
      try {
        return fromWire(prefix, key, framing.decode('dead-letter', value) as WireDeadLetter);
      } catch (error) {
        throw new ChangeoverError('mismatch', `Cannot read the dead letter of ${key}: ${messageOf(error)}`, {
          hint: 'Look at who writes to the topic of dead letters: only changeover may.',
          cause: error,
        });
      }
    },
  };
}

function toWire(prefix: string, letter: DeadLetter): WireDeadLetter {
  const { resolution } = letter;
  return {
    topic: topicOf(prefix, letter.kind),
    partition: letter.partition,
    offset: `${letter.offset}`,
    sink: letter.sink,
    error_class: letter.class,
    reason: letter.reason,
    payload_sha256: letter.payloadSha256 ?? '',
    payload: letter.payload,
    ts_us: letter.refusedAt,
    payload_form: letter.payloadForm,
    version: letter.version,
    resolution:
      resolution === null
        ? null
        : {
            state: resolution.state,
            resolved_by: resolution.by,
            note: resolution.note,
            ts_us: resolution.at,
          },
  };
}

function fromWire(prefix: string, key: string, wire: WireDeadLetter): DeadLetter {
  const kind = KINDS.find((each) => topicOf(prefix, each) === wire.topic);
  if (kind === undefined) throw new Error(`${wire.topic} is no topic of changes`);
  const offset = Number(wire.offset);
  if (!Number.isSafeInteger(offset)) throw new Error(`${wire.offset} is no offset`);
  return {
    kind,
    key,
    partition: wire.partition,
    offset,
    sink: wire.sink,
    class: classOf(wire.error_class),
    reason: wire.reason,
    version: wire.version,
    payloadSha256: wire.payload_sha256 === '' ? null : wire.payload_sha256,
    payloadForm: wire.payload === null ? 'none' : formOf(wire.payload_form),
    payload: wire.payload === null ? null : Buffer.from(wire.payload),
    refusedAt: wire.ts_us,
    resolution: resolutionOf(wire.resolution),
  };
}

function classOf(text: string): RefusalClass {
  if (text === 'unreadable' || text === 'rejected') return text;
  throw new Error(`${text} is no class of refusals`);
}

function formOf(text: string): 'masked' | 'full' {
  if (text === 'masked' || text === 'full') return text;
  throw new Error(`${text} is no form of a payload`);
}

function resolutionOf(wire: WireDeadLetter['resolution']): Resolution | null {
  if (wire === null) return null;
  const { state, resolved_by: by, note, ts_us: at } = wire;
  if (state !== 'redriven' && state !== 'dropped') throw new Error(`${state} is no resolution`);
  return { state, by, note, at };
}
