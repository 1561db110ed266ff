import { createHash } from 'node:crypto';
import type { DeadLetter, DeadLetterTopic, RefusalClass } from '../../log/log.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';

/** All that is known of one record that one store refused. */
export interface Letter extends DeadLetter {
  /** `postgres/agent/3/1042`: store, kind, partition, offset. */
  readonly id: string;
  readonly state: 'open' | 'redriven' | 'dropped';
  /** When the store refused it for the first time; microseconds since 1970. */
  readonly firstRefusedAt: number;
}

type LetterIdentity = Pick<DeadLetter, 'sink' | 'kind' | 'partition' | 'offset'>;

export function letterId({ sink, kind, partition, offset }: LetterIdentity): string {
  return `${sink.replace(/^target\./, '')}/${kind}/${partition}/${offset}`;
}

export function sha256Of(value: Uint8Array): string {
  return createHash('sha256').update(value).digest('hex');
}

/**
 * The letters as they stand now: of several about one record of one store the last one counts. So a record that is refused
 * again after it was dealt with (a replay) is open again, and what a crash has doubled is one letter. The payload is in the
 * one that was written at the refusal.
 */
export function foldLetters(statements: readonly DeadLetter[]): readonly Letter[] {
  const letters = new Map<string, Letter>();
  for (const statement of statements) {
    const id = letterId(statement);
    const before = letters.get(id);
    // A topic that was made anew has other records at the same places.
    const same =
      before !== undefined && before.payloadSha256 === statement.payloadSha256 ? before : undefined;
    const kept = same !== undefined && statement.payloadForm === 'none' ? same : statement;
    letters.set(id, {
      ...statement,
      id,
      state: statement.resolution?.state ?? 'open',
      payloadForm: kept.payloadForm,
      payload: kept.payload,
      firstRefusedAt: same?.firstRefusedAt ?? statement.refusedAt,
    });
  }
  return [...letters.values()].sort((a, b) => a.firstRefusedAt - b.firstRefusedAt || (a.id < b.id ? -1 : 1));
}

/** With the payloads of those that are asked for by their id. */
export async function readLetters(
  topic: DeadLetterTopic,
  withPayload: ReadonlySet<string> = new Set(),
): Promise<readonly Letter[]> {
  return foldLetters(await topic.read((letter) => withPayload.has(letterId(letter))));
}

export interface LetterFilter {
  /** With or without `target.` */
  readonly store?: string | undefined;
  readonly kinds?: readonly Kind[] | undefined;
  readonly class?: RefusalClass | undefined;
  /** Microseconds since 1970; of the last refusal. */
  readonly since?: number | undefined;
  /** Those that were dealt with, too. */
  readonly resolved?: boolean | undefined;
}

export function matches(letter: Letter, filter: LetterFilter): boolean {
  const { store, kinds, since, resolved = false } = filter;
  return (
    (resolved || letter.state === 'open') &&
    (store === undefined || letter.sink.replace(/^target\./, '') === store.replace(/^target\./, '')) &&
    (kinds === undefined || kinds.includes(letter.kind)) &&
    (filter.class === undefined || letter.class === filter.class) &&
    (since === undefined || letter.refusedAt >= since)
  );
}

/** Whether a text has the form of an id. */
export function isLetterId(text: string): boolean {
  const [store, kind, ...place] = text.split('/');
  return store !== '' && KINDS.some((each) => each === kind) && place.length === 2 && place.every(isWhole);
}

function isWhole(text: string): boolean {
  return /^\d+$/.test(text);
}
