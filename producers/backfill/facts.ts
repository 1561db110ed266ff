import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ChangeoverError } from '../../core/errors.ts';
import type { ControlTopic } from '../../log/log.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';

/**
 * What a backfill writes down about itself in the control topic, so that a run that was killed goes on where the log
 * had confirmed it:
 *
 *   backfill/<generation>                            the run: its kinds and their ranges, whether it has finished
 *   backfill/<generation>/<kind>/<range>/<writer>    how far one process says that one range has come
 *
 * Each process has a subject of its own, so that one that was stopped for a while and goes on cannot take back what its
 * successor has said; and one for each range that it has taken for this number, so that what it says of a range of a plan
 * that was replaced does not take the place of what it has said of the range that stands. What is true of a range is all of
 * it together (range-standing.ts).
 */

const scanKey = z.array(z.union([z.string(), z.number()])).readonly();
export const scanRange = z.object({ after: scanKey.nullable(), until: scanKey.nullable() }).readonly();

const runFact = z
  .object({
    generation: z.int().positive(),
    status: z.enum(['running', 'done']),
    startedAtUs: z.int(),
    /** One more for each start that is not joined to what others do already. */
    attempt: z.int().positive(),
    /** What this attempt moves. */
    kinds: z.array(z.enum(KINDS)).readonly(),
    /** Of kinds that have been planned. */
    ranges: z.partialRecord(z.enum(KINDS), z.array(scanRange).readonly()).readonly(),
    /** Where each kind is read from: places in one store's order mean nothing in another's. */
    stores: z.partialRecord(z.enum(KINDS), z.string()).readonly(),
  })
  .readonly();
export type RunFact = z.infer<typeof runFact>;

const rangeFact = z
  .object({
    status: z.enum(['running', 'done', 'hole']),
    /** What is said of other bounds than those that were planned holds of another range. */
    range: scanRange,
    /** Of the run, in which it was said. */
    attempt: z.int().positive(),
    /** Everything up to and including this place is in the log. */
    last: scanKey.nullable(),
    published: z.int().nonnegative(),
    rejected: z.int().nonnegative(),
    /** Why the rest of the range could not be read. */
    reason: z.string().optional(),
  })
  .readonly();
export type RangeFact = z.infer<typeof rangeFact>;

/** Of which nothing is through yet. */
export function freshRange(range: RangeFact['range'], attempt: number): RangeFact {
  return { status: 'running', range, attempt, last: null, published: 0, rejected: 0 };
}

const PREFIX = 'backfill/';

function runSubject(generation: number): string {
  return `${PREFIX}${generation}`;
}

export function rangeSubject(generation: number, kind: Kind, rangeNumber: number): string {
  return `${runSubject(generation)}/${kind}/${rangeNumber}`;
}

/** Where one process says how far a range has come. */
export function writerSubject(ofRange: string, writer: string, { after, until }: ScanRange): string {
  const bounds = createHash('sha256')
    .update(JSON.stringify([after, until]))
    .digest('hex')
    .slice(0, 12);
  return `${ofRange}/${encodeURIComponent(writer)}.${bounds}`;
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
  /** Of each range, what any process has said, by the range's subject. */
  readonly ranges: ReadonlyMap<string, readonly RangeFact[]>;
}

/** Of all runs, or of one. */
export async function readFacts(
  control: Pick<ControlTopic, 'read'>,
  generation?: number,
): Promise<BackfillFacts> {
  const runs: RunFact[] = [];
  const ranges = new Map<string, RangeFact[]>();
  const ours = generation === undefined ? PREFIX : runSubject(generation);
  for (const [subject, record] of await control.read(ours)) {
    if (generation !== undefined && subject !== ours && !subject.startsWith(`${ours}/`)) continue;
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
    else {
      const ofRange = subject.slice(0, subject.lastIndexOf('/'));
      ranges.set(ofRange, [...(ranges.get(ofRange) ?? []), parsed.data as RangeFact]);
    }
  }
  return { runs: runs.sort((left, right) => left.generation - right.generation), ranges };
}
