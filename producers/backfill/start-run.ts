import { ChangeoverError } from '../../core/errors.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';
import { FIRST_CAPTURED_VERSION } from '../../schemas/version.ts';
import { type RangeFact, type RunFact, readFacts, writeRun } from './facts.ts';
import type { BackfillOptions, KindSource } from './options.ts';

export interface StartedRun {
  readonly run: RunFact;
  /** How far its ranges had come, by their subject. */
  readonly ranges: ReadonlyMap<string, RangeFact>;
  readonly resumed: boolean;
}

/** Goes on with the run that was asked for, or begins a new one, and writes down which. */
export async function startRun({
  log,
  clock,
  sources,
  resume,
  parallelism,
}: BackfillOptions): Promise<StartedRun> {
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
