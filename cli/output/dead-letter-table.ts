import type { Letter } from '../../consumers/dead-letters/letters.ts';
import type { Redriven, RedrivePreview } from '../../consumers/dead-letters/redrive.ts';
import { table } from './format.ts';
import { oneLine } from './one-line.ts';

const LONGEST_KEY = 60;
const LONGEST_REASON = 160;
const LONGEST_FIELDS = 100;

/** Microseconds since 1970 as people and programs read them. */
export function time(us: number): string {
  return new Date(us / 1_000).toISOString();
}

export function letterTable(letters: readonly Letter[]): string {
  return table(
    ['id', 'key', 'class', 'state', 'refused', 'version', 'reason'],
    letters.map((letter) => [
      letter.id,
      oneLine(letter.key, LONGEST_KEY),
      letter.class,
      letter.state,
      time(letter.refusedAt),
      letter.version === null ? '?' : `${letter.version}`,
      oneLine(letter.resolution?.note || letter.reason, LONGEST_REASON),
    ]),
  );
}

/** A letter as JSON; its payload is not part of it. */
export function letterJson({ payload: _payload, ...letter }: Letter): Readonly<Record<string, unknown>> {
  const { resolution } = letter;
  return {
    ...letter,
    refusedAt: time(letter.refusedAt),
    firstRefusedAt: time(letter.firstRefusedAt),
    resolution: resolution && { ...resolution, at: time(resolution.at) },
  };
}

export function redrivenTable(results: readonly Redriven[]): string {
  return table(
    ['id', 'key', 'outcome', 'reason'],
    results.map(({ letter, outcome, reason }) => [
      letter.id,
      oneLine(letter.key, LONGEST_KEY),
      outcome === 'refused' ? 'still refused' : outcome,
      oneLine(reason, LONGEST_REASON),
    ]),
  );
}

/** What would become of each: what the store holds, what it would be offered, and what would be different then. */
export function previewTable(previews: readonly RedrivePreview[]): string {
  return table(
    ['id', 'key', 'would be', 'held', 'offered', 'changes'],
    previews.map(({ letter, outcome, reason, held, offered, changes }) => [
      letter.id,
      oneLine(letter.key, LONGEST_KEY),
      outcome === 'refused' ? 'still refused' : outcome,
      held === null ? '–' : `${held}`,
      offered === null ? '–' : `${offered}`,
      reason === '' ? oneLine(changes.join(', '), LONGEST_FIELDS) : oneLine(reason, LONGEST_REASON),
    ]),
  );
}
