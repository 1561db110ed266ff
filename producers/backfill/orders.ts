import { z } from 'zod';
import { ChangeoverError } from '../../core/errors.ts';
import type { ControlRecord, ControlTopic } from '../../log/log.ts';

/**
 * What the operator has said to all backfills, and what they say of themselves, in the control topic. Two orders are two
 * facts, so that who pauses does not undo a rate that somebody sets at the same moment:
 *
 *   backfill-order/pause             whether to stand still
 *   backfill-order/rate              how many items a second, or as configured
 *   backfill-process/<writer>        one process that runs a backfill
 */
const PAUSE = 'backfill-order/pause';
const RATE = 'backfill-order/rate';
const PROCESS = 'backfill-process/';

const pauseFact = z.object({ paused: z.boolean() });
const rateFact = z.object({ perSecond: z.number().positive().nullable() });

export interface Orders {
  readonly paused: boolean;
  /** Null: as configured. */
  readonly perSecond: number | null;
}

const reportFact = z
  .object({
    state: z.enum(['running', 'slowed', 'paused']),
    generation: z.int(),
    /** That it moves now. */
    ranges: z.int().nonnegative(),
    /** By this process. */
    published: z.int(),
    /** Lately. */
    perSecond: z.number(),
    /** Null where nothing limits it. */
    limitPerSecond: z.number().nullable(),
    /** Why it is not as fast as it could be, and what else there is to tell. */
    remarks: z.array(z.string()).readonly(),
  })
  .readonly();
export type BackfillReport = z.infer<typeof reportFact>;

export type KnownReport = BackfillReport & {
  readonly process: string;
  /** When it was written, in µs since 1970: a process that was killed does not take its report back. */
  readonly atUs: number;
};

/** What was ordered, and what all processes say, as of one moment. */
export async function readWord(
  control: Pick<ControlTopic, 'read'>,
): Promise<{ readonly orders: Orders; readonly reports: readonly KnownReport[] }> {
  const facts = await control.read('backfill-');
  return { orders: ordersIn(facts), reports: reportsIn(facts) };
}

export async function readOrders(control: Pick<ControlTopic, 'read'>): Promise<Orders> {
  return ordersIn(await control.read('backfill-order/'));
}

function ordersIn(facts: ReadonlyMap<string, ControlRecord>): Orders {
  const { paused } = parse(pauseFact, PAUSE, facts.get(PAUSE)?.body ?? { paused: false });
  const { perSecond } = parse(rateFact, RATE, facts.get(RATE)?.body ?? { perSecond: null });
  return { paused, perSecond };
}

export async function orderPause(control: ControlTopic, paused: boolean): Promise<void> {
  await control.write(PAUSE, { paused });
}

export async function orderRate(control: ControlTopic, perSecond: number | null): Promise<void> {
  await control.write(RATE, { perSecond });
}

/** Null when it has ended. */
export async function writeReport(
  control: ControlTopic,
  process: string,
  report: BackfillReport | null,
): Promise<void> {
  await control.write(`${PROCESS}${process}`, report);
}

export async function readReports(control: ControlTopic): Promise<readonly KnownReport[]> {
  return reportsIn(await control.read(PROCESS));
}

function reportsIn(facts: ReadonlyMap<string, ControlRecord>): readonly KnownReport[] {
  return Array.from(facts)
    .filter(([subject]) => subject.startsWith(PROCESS))
    .map(([subject, { body, writtenAt }]) => ({
      ...parse(reportFact, subject, body),
      process: subject.slice(PROCESS.length),
      atUs: writtenAt,
    }));
}

function parse<T>(schema: z.ZodType<T>, subject: string, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new ChangeoverError('mismatch', `The control topic says of ${subject}: ${JSON.stringify(body)}`, {
    hint: 'It was written by another version of changeover, or by hand.',
  });
}
