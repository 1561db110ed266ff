import { ChangeoverError, messageOf } from '../core/errors.ts';
import { toJson, tryParseJson } from '../core/json.ts';
import { openSingleObjectFraming } from '../schemas/framing.ts';
import type { WorkItem as WireWorkItem } from '../schemas/generated.ts';
import type { WorkItem } from './log.ts';

/**
 * The partitions of the work topic, whatever is configured for the others: so many processes can share work. A number that 2,
 * 3, 4 and 6 processes share evenly.
 */
export const WORK_LOTS = 12;

/** An item on its way into the log. */
export interface EncodedWorkItem {
  readonly partition: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Turns work into records and back. */
export interface WorkCodec {
  encode(crew: string, item: WorkItem, writtenAt: number): EncodedWorkItem;
  /** Throws `mismatch` for bytes that are no item. */
  decode(value: Buffer | null): unknown;
}

export function createWorkCodec(writer: string): WorkCodec {
  const framing = openSingleObjectFraming(['work']);
  return {
    encode(crew, { lot, body }, writtenAt) {
      return {
        partition: lot % WORK_LOTS,
        key: Buffer.from(crew),
        value: framing.encode('work', { crew, body: toJson(body), writer, ts_us: writtenAt }),
      };
    },
    decode(value) {
      try {
        if (value === null) throw new Error('it has no value');
        const body = tryParseJson((framing.decode('work', value) as WireWorkItem).body);
        if (body === undefined) throw new Error('its body is not JSON');
        return body;
      } catch (error) {
        throw new ChangeoverError('mismatch', `Cannot read a work item: ${messageOf(error)}`, {
          hint: 'Look at who writes to the work topic: only changeover may, in one version at a time.',
          cause: error,
        });
      }
    },
  };
}
