import type { FoundAgain, Readable } from '../../consumers/dead-letters/find-again.ts';
import type { Mask } from '../../consumers/dead-letters/mask.ts';
import { toJson } from '../../core/json.ts';
import { letterJson, time } from './dead-letter-table.ts';

const LONGEST_HEX = 512;

export interface DetailOptions {
  readonly mask: Mask;
  /** Whether bytes of which nobody can say what is in them may be shown. */
  readonly raw: boolean;
}

/** Everything that is known of a letter, and its record as it was read again. */
export function letterDetails(
  found: FoundAgain,
  read: Readable,
  { mask, raw }: DetailOptions,
): Readonly<Record<string, unknown>> {
  const { letter, record, value, from, missing } = found;
  const kept =
    letter.payloadForm === 'masked' && letter.payload !== null ? letter.payload.toString() : undefined;
  return {
    ...letterJson(letter),
    record: {
      from,
      ...(missing !== undefined && { missing }),
      ...(record !== undefined && { written: time(record.timestampMs * 1_000), headers: record.headers }),
      ...(value !== null && { bytes: value.byteLength }),
    },
    ...('change' in read ? { change: mask.plain(read.change) } : { unreadable: read.unreadable }),
    ...(!('change' in read) && kept !== undefined && { keptChange: JSON.parse(kept) as unknown }),
    ...(!('change' in read) && value !== null && raw && { hex: value.toString('hex') }),
  };
}

/** For people: a line for each thing, what is inside of something indented. */
export function detailLines(details: Readonly<Record<string, unknown>>, indent = ''): string {
  return Object.entries(details)
    .map(([name, value]) => {
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
        const inner = detailLines(value as Readonly<Record<string, unknown>>, `${indent}  `);
        return `${indent}${shown(name)}:${inner === '' ? ' none' : `\n${inner}`}`;
      }
      return `${indent}${shown(name)}: ${text(value)}`;
    })
    .join('\n');
}

function text(value: unknown): string {
  if (typeof value !== 'string') return toJson(value);
  const whole = shown(value);
  return whole.length <= LONGEST_HEX ? whole : `${whole.slice(0, LONGEST_HEX)}… (${value.length} characters)`;
}

/** What a terminal would obey, or could not show, as JSON has it. */
function shown(value: string): string {
  return /[\p{C}\p{Zl}\p{Zp}]/u.test(value)
    ? JSON.stringify(value).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '�')
    : value;
}
