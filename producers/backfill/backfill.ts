import { forEachLimited } from '../../core/sequence.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';
import { FRESH_RANGE, type RangeFact, type RunFact, rangeSubject, writeRun } from './facts.ts';
import type { BackfillOptions, BackfillPlan, KindSource } from './options.ts';
import { beside, type Pacing, paceOf } from './pacing.ts';
import { moveRange, type RangeContext, type RangeWork } from './range-worker.ts';
import { startRun } from './start-run.ts';

export type { BackfillOptions, BackfillPlan, KindSource } from './options.ts';

export interface Hole {
  readonly kind: Kind;
  readonly range: ScanRange;
  readonly reason: string;
}

/** Totals over the whole run, the parts before a resume included. */
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
 * control topic, and goes slower for those whom it is to watch.
 */
export async function runBackfill(options: BackfillOptions, signal: AbortSignal): Promise<BackfillResult> {
  const { log, sources } = options;
  await log.prepare();
  const { run, ranges, resumed } = await startRun(options);
  const works = worksOf(run, ranges, sources);
  options.onPlan({ generation: run.generation, resumed, kinds: await totalsOf(works, sources) });

  const pacing = paceOf(options, run.generation);
  await pacing.supervisor.begin();
  const publisher = await log.publisher();
  const facts: { readonly work: RangeWork<Kind>; readonly fact: RangeFact }[] = [];
  try {
    const context = { ...rangeContext(options, run.generation, publisher), ...pacing.context };
    const move = async (work: RangeWork<Kind>, stop: AbortSignal): Promise<void> => {
      const fact = work.fact.status === 'done' ? work.fact : await moveRange(work, context, stop);
      facts.push({ work, fact });
    };
    await beside(pacing.supervisor, () => forEachLimited(works, options.parallelism, move, signal));
  } finally {
    await publisher.close();
  }

  const holes = facts.flatMap(({ work, fact }) =>
    fact.status === 'hole'
      ? [
          {
            kind: work.kind,
            range: { ...work.range, after: fact.last ?? work.range.after },
            reason: fact.reason ?? '',
          },
        ]
      : [],
  );
  // A run with holes, or with kinds that this call left out, is not done: the next one goes on with them.
  const leftOut = unfinishedBeside(run, ranges, sources);
  if (holes.length === 0 && !leftOut) await writeRun(log.control, { ...run, status: 'done' });
  return {
    generation: run.generation,
    published: facts.reduce((sum, { fact }) => sum + fact.published, 0),
    rejected: facts.reduce((sum, { fact }) => sum + fact.rejected, 0),
    holes,
  };
}

/** The ranges of all kinds in turn, so that every store has something to do from the start. */
function worksOf(
  run: RunFact,
  facts: ReadonlyMap<string, RangeFact>,
  sources: readonly KindSource[],
): readonly RangeWork<Kind>[] {
  const byKind = sources.map(({ kind, source }) =>
    (run.ranges[kind] ?? []).map((range, number) => {
      const subject = rangeSubject(run.generation, kind, number);
      return { kind, source, range, subject, fact: facts.get(subject) ?? FRESH_RANGE };
    }),
  );
  const most = Math.max(0, ...byKind.map((works) => works.length));
  return Array.from({ length: most }, (_, turn) => byKind.flatMap((works) => works[turn] ?? [])).flat();
}

/** Whether the run has ranges of other kinds than these that have not been moved. */
function unfinishedBeside(
  run: RunFact,
  facts: ReadonlyMap<string, RangeFact>,
  sources: readonly KindSource[],
): boolean {
  const here = new Set(sources.map(({ kind }) => kind));
  return KINDS.filter((kind) => !here.has(kind)).some((kind) =>
    (run.ranges[kind] ?? []).some(
      (_, number) => facts.get(rangeSubject(run.generation, kind, number))?.status !== 'done',
    ),
  );
}

async function totalsOf(
  works: readonly RangeWork<Kind>[],
  sources: readonly KindSource[],
): Promise<BackfillPlan['kinds']> {
  return Promise.all(
    sources.map(async ({ kind, store, source }) => ({
      kind,
      store,
      total: await source.count(kind),
      done: works.filter((work) => work.kind === kind).reduce((sum, work) => sum + work.fact.published, 0),
    })),
  );
}

function rangeContext(
  options: BackfillOptions,
  generation: number,
  publisher: RangeContext['publisher'],
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
