import { z } from 'zod';
import { ChangeoverError } from '../../core/errors.ts';
import { KINDS } from '../../schemas/kinds.ts';
import { scanRange } from './facts.ts';

const rangeTask = z.object({ kind: z.enum(KINDS), number: z.int().nonnegative(), range: scanRange });
/** One range as it stands in the work topic. */
export type RangeTask = z.infer<typeof rangeTask>;

/** Two that have the same name are the same. */
export function nameOf({ kind, number, range }: RangeTask): string {
  return JSON.stringify([kind, number, range.after, range.until]);
}

/** Throws `mismatch` for what is none. */
export function parseTask(body: unknown): RangeTask {
  const parsed = rangeTask.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new ChangeoverError('mismatch', `The work topic has a range that is none: ${JSON.stringify(body)}`, {
    hint: 'It was written by another version of changeover, or by hand.',
  });
}
