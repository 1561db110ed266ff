import { type Command, InvalidArgumentError, Option } from 'commander';
import type { LetterFilter } from '../../consumers/dead-letters/letters.ts';
import { systemClock } from '../../core/clock.ts';
import type { RefusalClass } from '../../log/log.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { kindList } from '../command.ts';

/** What all of `changeover dead-letters` take to say which letters are meant. */
export interface FilterFlags {
  readonly store?: string;
  readonly kind?: readonly Kind[];
  readonly class?: RefusalClass;
  readonly since?: number;
}

export function withFilters(command: Command): Command {
  return command
    .option('--store <name>', 'only of this target store')
    .option('--kind <list>', 'only of these kinds, separated by commas', kindList)
    .addOption(
      new Option(
        '--class <class>',
        'only records that are no change, or only changes that the store refused',
      ).choices(['unreadable', 'rejected']),
    )
    .option(
      '--since <time>',
      'only refused since then: a date and time (ISO 8601), or 30m, 12h, 7d ago',
      sinceTime,
    );
}

export function filterOf({ store, kind, since, class: refusal }: FilterFlags): LetterFilter {
  return { store, kinds: kind, class: refusal, since };
}

const AGO_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Microseconds since 1970. */
function sinceTime(text: string): number {
  const [, amount, unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (amount !== undefined) return systemClock.nowUs() - Number(amount) * (AGO_MS[unit] ?? 0) * 1_000;
  const ms = /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw new InvalidArgumentError('It must be like 2026-01-31T12:00:00Z, or like 30m, 12h, 7d.');
  return ms * 1_000;
}
