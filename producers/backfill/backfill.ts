import { forEachLimited } from '../../core/sequence.ts';
import type { Publisher } from '../../log/log.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';
import { type MoveRange, moveTogether } from './crew.ts';
import { freshRange, type RunFact, writeRun, writerSubject } from './facts.ts';
import type { BackfillOptions, BackfillPlan } from './options.ts';
import { beside, type Pacing, paceOf } from './pacing.ts';
import { hasOthersLeft, itemsThrough, plannedRanges, type RunState, readRun, withRanges } from './plan.ts';
import { moveRange, type RangeContext } from './range-worker.ts';
import { startRun } from './start-run.ts';

export type { BackfillOptions, BackfillPlan, KindSource } from './options.ts';

export interface Hole {
  readonly kind: Kind;
  readonly range: ScanRange;
  readonly reason: string;
}

/** Totals over the whole run, the parts before a resume and those of other processes included. */
export interface BackfillResult {
  readonly generation: number;
  readonly published: number;
  readonly rejected: number;
  readonly holes: readonly Hole[];
}

/**
 * Reads every entity of the given kinds from its origin and publishes it, in key order within each range, ranges side by
 * side. Can be killed at any moment: the next run goes on where the log had confirmed the last one, with the same
 * generation, and what is published twice is the same statement twice. Meanwhile it obeys the operator's orders in the
 * control topic, and goes slower for those whom it is to watch. Where it shares its run, others may come and go, and each
 * of them answers the same when all is through.
 */
export async function runBackfill(options: BackfillOptions, signal: AbortSignal): Promise<BackfillResult> {
  const { log, shared = false } = options;
  await log.prepare();
  const started = await startRun(options);
  const { generation } = started.run;
  options.onPlan({ generation, resumed: started.resumed, kinds: await totalsOf(started, options) });

  const pacing = paceOf(options, generation);
  await pacing.supervisor.begin();
  const publisher = await log.publisher();
  let end: RunState;
  try {
    const move = moverOf(options, pacing, {
      ...rangeContext(options, generation, publisher),
      ...pacing.context,
    });
    const moveAll = shared ? moveTogether : moveAlone;
    end = await beside(pacing.supervisor, () => moveAll(options, started.run, move, signal));
  } finally {
    await publisher.close();
  }
  return conclude(options, end);
}

/** Without the work topic: nobody else is at this run. */
async function moveAlone(
  { log, sources, parallelism, writer }: BackfillOptions,
  started: RunFact,
  move: MoveRange,
  signal: AbortSignal,
): Promise<RunState> {
  const run = await withRanges(started, sources, parallelism);
  await writeRun(log.control, run);
  const { ranges } = await readRun(log.control, run.generation);
  const left = plannedRanges({ run, ranges }).filter(({ standing }) => standing?.status !== 'done');
  await forEachLimited(
    left,
    parallelism,
    async ({ standing, ...planned }, stop) => {
      const fact = standing ?? freshRange(planned.range, run.attempt);
      const subject = writerSubject(planned.subject, writer, planned.range);
      await move({ ...planned, subject, fact: { ...fact, attempt: run.attempt } }, stop);
    },
    signal,
  );
  return readRun(log.control, run.generation);
}

async function conclude({ log }: BackfillOptions, end: RunState): Promise<BackfillResult> {
  const moved = plannedRanges(end);
  const holes = moved.flatMap(({ kind, range, standing }) =>
    standing?.status === 'hole'
      ? [{ kind, range: { ...range, after: standing.last ?? range.after }, reason: standing.reason ?? '' }]
      : [],
  );
  // A run with holes, or with kinds that this call left out, is not done: the next one goes on with them.
  const isDone = holes.length === 0 && !hasOthersLeft(end);
  if (isDone && end.run.status !== 'done') await writeRun(log.control, { ...end.run, status: 'done' });
  return {
    generation: end.run.generation,
    published: moved.reduce((sum, { standing }) => sum + (standing?.published ?? 0), 0),
    rejected: moved.reduce((sum, { standing }) => sum + (standing?.rejected ?? 0), 0),
    holes,
  };
}

async function totalsOf(state: RunState, { sources }: BackfillOptions): Promise<BackfillPlan['kinds']> {
  return Promise.all(
    sources.map(async ({ kind, store, source }) => ({
      kind,
      store,
      total: await source.count(kind),
      done: itemsThrough(state, kind),
    })),
  );
}

function moverOf({ sources }: BackfillOptions, pacing: Pacing, context: RangeContext): MoveRange {
  return ({ kind, range, subject, fact }, signal) =>
    pacing.during(async () => {
      const source = sources.find((each) => each.kind === kind)?.source;
      if (source === undefined) throw new Error(`Nothing was said of where ${kind} is read.`);
      return moveRange({ kind, source, range, subject, fact }, context, signal);
    });
}

function rangeContext(
  options: BackfillOptions,
  generation: number,
  publisher: Publisher,
): Omit<RangeContext, keyof Pacing['context']> {
  const { log, clock, batchSize, retryPolicy = {}, writer } = options;
  const stores = new Map(options.sources.map(({ kind, store }) => [kind, store]));
  return {
    publisher,
    control: log.control,
    clock,
    batchSize,
    retryPolicy,
    readContextOf: (kind) => ({
      generation,
      origin: { path: 'backfill', store: stores.get(kind) ?? '', writer },
      nowUs: clock.nowUs,
    }),
  };
}
