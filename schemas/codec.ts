import { ChangeoverError, messageOf } from '../core/errors.ts';
import type { Change, ChangeOf, EntityOf, WireChangeOf } from './change.ts';
import { type Framing, openSingleObjectFraming } from './framing.ts';
import { KINDS, type Kind } from './kinds.ts';

/** Turns changes into Kafka record values and back. */
export interface Codec {
  encode(change: Change): Buffer;
  /**
   * Reads a record value that this or any older version wrote. Throws `change-rejected` for bytes that are no change
   * of that kind, with the reason; never returns half a change.
   */
  decode(kind: Kind, key: string, value: Buffer): Change;
}

export interface CodecOptions {
  /** Bytes; a longer value is refused before it is looked at, because Avro trusts the lengths inside. */
  readonly maxValueBytes?: number;
  readonly framing?: Framing<Kind>;
}

const DEFAULT_MAX_VALUE_BYTES = 16 * 1024 * 1024;

export function createCodec(options: CodecOptions = {}): Codec {
  const { maxValueBytes = DEFAULT_MAX_VALUE_BYTES, framing = openSingleObjectFraming(KINDS) } = options;
  return {
    encode: (change) => framing.encode(change.kind, toWire(change)),
    decode: (kind, key, value) => {
      if (value.byteLength > maxValueBytes) {
        throw undecodable(kind, key, `its value has ${value.byteLength} bytes, more than ${maxValueBytes}`);
      }
      try {
        return fromWire(kind, key, framing.decode(kind, value) as WireChangeOf[Kind]);
      } catch (error) {
        throw undecodable(kind, key, messageOf(error), error);
      }
    },
  };
}

function undecodable(kind: Kind, key: string, reason: string, cause?: unknown): ChangeoverError {
  return new ChangeoverError('change-rejected', `Cannot read a change of ${kind} ${key}: ${reason}`, {
    cause,
    hint: 'Look at who writes to that topic: only changeover may.',
  });
}

function toWire(change: Change): WireChangeOf[Kind] {
  const { op, version, eventId, origin, capturedAt } = change;
  const { before, after } = change.kind === 'embedding' ? withBuffers(change) : change;
  return { op, before, after, version, event_id: eventId, origin, ts_us: capturedAt } as WireChangeOf[Kind];
}

/** avsc takes no other bytes than a Buffer's; this is a view, not a copy. */
function withBuffers({
  before,
  after,
}: ChangeOf<'embedding'>): Pick<ChangeOf<'embedding'>, 'before' | 'after'> {
  return { before: before && withBuffer(before), after: after && withBuffer(after) };
}

function withBuffer(embedding: EntityOf['embedding']): EntityOf['embedding'] {
  const { vector } = embedding;
  if (!(vector instanceof Uint8Array) || Buffer.isBuffer(vector)) return embedding;
  return { ...embedding, vector: Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength) };
}

function fromWire<K extends Kind>(kind: K, key: string, wire: WireChangeOf[K]): Change {
  if ((wire.op === 'd') !== (wire.after === null))
    throw new Error(`op ${wire.op} with the wrong kind of "after"`);
  const change: ChangeOf<K> = {
    kind,
    key,
    op: wire.op,
    version: wire.version,
    before: wire.before as EntityOf[K] | null,
    after: wire.after as EntityOf[K] | null,
    origin: wire.origin,
    eventId: wire.event_id,
    capturedAt: wire.ts_us,
  };
  return change as unknown as Change;
}
