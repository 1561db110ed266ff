import { ChangeoverError, messageOf } from '../core/errors.ts';
import { toJson, tryParseJson } from '../core/json.ts';
import { type Framing, openSingleObjectFraming } from '../schemas/framing.ts';
import type { ControlRecord as WireControlRecord } from '../schemas/generated.ts';
import type { ControlRecord } from './log.ts';

/** Turns facts into record values and back. A fact whose body is null has no value: a tombstone. */
export interface ControlCodec {
  encode(record: ControlRecord): Buffer | null;
  /** Throws `mismatch` for bytes that are no fact. */
  decode(subject: string, value: Buffer): ControlRecord;
}

export function createControlCodec(
  framing: Framing<'control'> = openSingleObjectFraming(['control']),
): ControlCodec {
  return {
    encode({ subject, body, writer, writtenAt }) {
      if (body === null) return null;
      const json = toJson(body);
      if (json === undefined) throw new ChangeoverError('internal', `The fact ${subject} has no JSON form.`);
      return framing.encode('control', { subject, body: json, writer, ts_us: writtenAt });
    },
    decode(subject, value) {
      try {
        const wire = framing.decode('control', value) as WireControlRecord;
        const body = tryParseJson(wire.body);
        if (body === undefined) throw new Error('its body is not JSON');
        return { subject, body, writer: wire.writer, writtenAt: wire.ts_us };
      } catch (error) {
        throw new ChangeoverError('mismatch', `Cannot read the fact ${subject}: ${messageOf(error)}`, {
          hint: 'Look at who writes to the control topic: only changeover may, in one version at a time.',
          cause: error,
        });
      }
    },
  };
}
