import { z } from 'zod';
import { ChangeoverError } from '../../core/errors.ts';
import type { ControlTopic } from '../../log/log.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';

/**
 * What a backfill writes down about itself in the control topic, so that a run that was killed goes on where the log
 * had confirmed it:
 *
 *   backfill/<generation>                   the run: its kinds and their ranges, whether it has finished
 *   backfill/<generation>/<kind>/<range>    how far one range has come
 */

const scanKey = z.array(z.union([z.string(), z.number()])).readonly();
const range = z.object({ after: scanKey.nullable(), until: scanKey.nullable() }).readonly();

const runFact = z
  .object({
    generation: z.int().positive(),
    status: z.enum(['running', 'done']),
    startedAtUs: z.int(),
    ranges: z.partialRecord(z.enum(KINDS), z.array(range).readonly()).readonly(),
    /** Where each kind is read from: places in one store's order mean nothing in another's. */
    stores: z.partialRecord(z.enum(KINDS), z.string()).readonly(),
  })
  .readonly();
export type RunFact = z.infer<typeof runFact>;

const rangeFact = z
  .object({
    status: z.enum(['running', 'done', 'hole']),
    /** Everything up to and including this place is in the log. */
    last: scanKey.nullable(),
    published: z.int().nonnegative(),
    rejected: z.int().nonnegative(),
    /** Why the rest of the range could not be read. */
    reason: z.string().optional(),
  })
  .readonly();
export type RangeFact = z.infer<typeof rangeFact>;

export const FRESH_RANGE: RangeFact = { status: 'running', last: null, published: 0, rejected: 0 };

const PREFIX = 'backfill/';

function runSubject(generation: number): string {
  return `${PREFIX}${generation}`;
}

export function rangeSubject(generation: number, kind: Kind, rangeNumber: number): string {
  return `${runSubject(generation)}/${kind}/${rangeNumber}`;
}

export async function writeRun(control: ControlTopic, run: RunFact): Promise<void> {
  await control.write(runSubject(run.generation), run);
}

export async function writeRange(control: ControlTopic, subject: string, fact: RangeFact): Promise<void> {
  await control.write(subject, fact);
}

export interface BackfillFacts {
  /** By generation, the newest last. */
  readonly runs: readonly RunFact[];
  readonly ranges: ReadonlyMap<string, RangeFact>;
}

export async function readFacts(control: ControlTopic): Promise<BackfillFacts> {
  const runs: RunFact[] = [];
  const ranges = new Map<string, RangeFact>();
  for (const [subject, record] of await control.read(PREFIX)) {
    const isRun = subject.split('/').length === 2;
    const parsed = (isRun ? runFact : rangeFact).safeParse(record.body);
    if (!parsed.success) {
      throw new ChangeoverError(
        'mismatch',
        `The control topic says of ${subject}: ${JSON.stringify(record.body)}`,
        {
          hint: 'It was written by another version of changeover, or by hand.',
        },
      );
    }
    if (isRun) runs.push(parsed.data as RunFact);
    else ranges.set(subject, parsed.data as RangeFact);
  }
  return { runs: runs.sort((left, right) => left.generation - right.generation), ranges };
}
