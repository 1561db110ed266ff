import type { RejectedItem, Source } from '../../connectors/connector.ts';
import type { Clock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { createRateLimiter, unlimited } from '../../core/rate-limiter.ts';
import type { RetryPolicy } from '../../core/retry.ts';
import { forEachLimited } from '../../core/sequence.ts';
import type { Log } from '../../log/log.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';
import { FIRST_CAPTURED_VERSION } from '../../schemas/version.ts';
import { FRESH_RANGE, type RangeFact, type RunFact, rangeSubject, readFacts, writeRun } from './facts.ts';
import { moveRange, type RangeContext, type RangeWork } from './range-worker.ts';

/** Where a kind is read from. */
export interface KindSource {
  readonly kind: Kind;
  readonly source: Source;
  /** The store's name in the configuration; the `origin.store` of what is read from it. */
  readonly store: string;
}

export interface BackfillOptions {
  readonly sources: readonly KindSource[];
  readonly log: Log;
  readonly clock: Clock;
  /** Who runs it, for the changes' origin: a host and process. */
  readonly writer: string;
  readonly batchSize: number;
  /** Ranges that are moved at once. */
  readonly parallelism: number;
  /** Items a second over all kinds; undefined for as fast as it goes. */
  readonly ratePerSecond?: number | undefined;
  readonly retryPolicy?: Partial<RetryPolicy>;
  /** Which run to go on with: `unfinished` is the newest if it has not finished, else a new one. */
  readonly resume: 'unfinished' | 'never' | number;
  readonly onPlan: (plan: BackfillPlan) => void;
  readonly onChunk: (kind: Kind, published: number, rejected: readonly RejectedItem[]) => void;
}

export interface BackfillPlan {
  readonly generation: number;
  readonly resumed: boolean;
  /** Items in the sources now, and what earlier parts of a resumed run have already moved. */
  readonly kinds: readonly {
    readonly kind: Kind;
    readonly store: string;
    readonly total: number;
    readonly done: number;
  }[];
}

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
 * generation, and what is published twice is the same statement twice.
 */
export async function runBackfill(options: BackfillOptions, signal: AbortSignal): Promise<BackfillResult> {
  const { log, sources } = options;
  await log.prepare();
  const { run, ranges, resumed } = await startRun(options);
  const works = worksOf(run, ranges, sources);
  options.onPlan({ generation: run.generation, resumed, kinds: await totalsOf(works, sources) });

  const publisher = await log.publisher();
  const facts: { readonly work: RangeWork<Kind>; readonly fact: RangeFact }[] = [];
  try {
    const context = rangeContext(options, run.generation, publisher);
    const move = async (work: RangeWork<Kind>, stop: AbortSignal): Promise<void> => {
      const fact = work.fact.status === 'done' ? work.fact : await moveRange(work, context, stop);
      facts.push({ work, fact });
    };
    await forEachLimited(works, options.parallelism, move, signal);
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

async function startRun({ log, clock, sources, resume, parallelism }: BackfillOptions) {
  const { runs, ranges } = await readFacts(log.control);
  const earlier = chooseRun(runs, resume);
  if (earlier !== undefined) requireSameStores(earlier, sources);
  const missing = sources.filter(({ kind }) => earlier?.ranges[kind] === undefined);
  const planned: Partial<Record<Kind, readonly ScanRange[]>> = { ...earlier?.ranges };
  for (const { kind, source } of missing) planned[kind] = await source.ranges(kind, parallelism);
  const generation = earlier?.generation ?? (runs.at(-1)?.generation ?? 0) + 1;
  if (generation >= FIRST_CAPTURED_VERSION) {
    throw new ChangeoverError('mismatch', `Generation ${generation} would pass for a captured version.`);
  }
  const run: RunFact = {
    generation,
    status: 'running',
    startedAtUs: earlier?.startedAtUs ?? clock.nowUs(),
    ranges: planned,
    stores: {
      ...earlier?.stores,
      ...Object.fromEntries(sources.map(({ kind, store }) => [kind, store])),
    },
  };
  await writeRun(log.control, run);
  return { run, ranges, resumed: earlier !== undefined };
}

function requireSameStores(earlier: RunFact, sources: readonly KindSource[]): void {
  for (const { kind, store } of sources) {
    const before = earlier.stores[kind];
    if (before === undefined || before === store) continue;
    throw new ChangeoverError(
      'mismatch',
      `Backfill ${earlier.generation} was reading ${kind} from ${before}; now it would be read from ${store}.`,
      { hint: 'Begin a new run with --restart, or set the origin back.' },
    );
  }
}

function chooseRun(runs: readonly RunFact[], resume: BackfillOptions['resume']): RunFact | undefined {
  if (resume === 'never') return undefined;
  if (resume === 'unfinished') return runs.at(-1)?.status === 'running' ? runs.at(-1) : undefined;
  const run = runs.find(({ generation }) => generation === resume);
  if (run !== undefined) return run;
  const known =
    runs.length === 0 ? 'there has been none' : `there are ${runs.map((each) => each.generation).join(', ')}`;
  throw new ChangeoverError('usage', `There is no backfill ${resume} to resume; ${known}.`);
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
): RangeContext {
  const { log, clock, batchSize, ratePerSecond, retryPolicy = {}, onChunk, writer } = options;
  const stores = new Map(options.sources.map(({ kind, store }) => [kind, store]));
  return {
    publisher,
    control: log.control,
    limiter: ratePerSecond === undefined ? unlimited : createRateLimiter(ratePerSecond, clock),
    clock,
    batchSize,
    retryPolicy,
    readContextOf: (kind) => ({
      generation,
      origin: { path: 'backfill', store: stores.get(kind) ?? '', writer },
      nowUs: clock.nowUs,
    }),
    onChunk,
  };
}
