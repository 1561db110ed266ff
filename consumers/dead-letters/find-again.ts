import { messageOf } from '../../core/errors.ts';
import type { DeadLetterTopic, Log, LogRecord } from '../../log/log.ts';
import type { Change } from '../../schemas/change.ts';
import type { Codec } from '../../schemas/codec.ts';
import { type Letter, readLetters, sha256Of } from './letters.ts';

/** A letter and the record that it is about, as far as it is to be had. */
export interface FoundAgain {
  readonly letter: Letter;
  /** Undefined where the log does not hold it any more. */
  readonly record: LogRecord | undefined;
  readonly value: Buffer | null;
  readonly from: 'the log' | 'the dead letter' | 'nowhere';
  /** Why it is nowhere. */
  readonly missing: string | undefined;
}

export interface Searching {
  readonly log: Pick<Log, 'records'> & { readonly deadLetters: DeadLetterTopic };
}

/** Reads the records of these letters again: from the log, else from what the letter kept. */
export async function findAgain(
  letters: readonly Letter[],
  { log }: Searching,
): Promise<readonly FoundAgain[]> {
  const records = await log.records(letters);
  const found = letters.map((letter, index) => fromLog(letter, records[index]));
  const wanted = found.filter(({ from, letter }) => from === 'nowhere' && letter.payloadForm === 'full');
  if (wanted.length === 0) return found;
  const ids = new Set(wanted.map(({ letter }) => letter.id));
  const kept = new Map((await readLetters(log.deadLetters, ids)).map((letter) => [letter.id, letter]));
  return found.map((each) => {
    const payload = kept.get(each.letter.id)?.payload ?? null;
    if (!ids.has(each.letter.id) || payload === null) return each;
    return { ...each, value: payload, from: 'the dead letter', missing: undefined };
  });
}

function fromLog(letter: Letter, record: LogRecord | undefined): FoundAgain {
  const nowhere = (missing: string): FoundAgain => ({
    letter,
    record: undefined,
    value: null,
    from: 'nowhere',
    missing,
  });
  if (record === undefined) return nowhere('the log does not hold the record any more');
  const sha256 = record.value && sha256Of(record.value);
  if (sha256 !== letter.payloadSha256)
    return nowhere('the topic was made anew: another record is at its place');
  return { letter, record, value: record.value, from: 'the log', missing: undefined };
}

export type Readable =
  | { readonly change: Change }
  /** Why not, and whether it is to be had at all. */
  | { readonly unreadable: string; readonly gone: boolean };

/** The change of a letter; what could not be read once may be readable by now, where a schema has been added. */
export function changeOf({ letter, value, missing }: FoundAgain, codec: Codec): Readable {
  if (missing !== undefined) return { unreadable: missing, gone: true };
  if (value === null) return { unreadable: 'it has no value', gone: false };
  try {
    return { change: codec.decode(letter.kind, letter.key, value) };
  } catch (error) {
    return { unreadable: messageOf(error), gone: false };
  }
}
