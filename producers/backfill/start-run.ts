import { ChangeoverError } from '../../core/errors.ts';
import type { Log } from '../../log/log.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import { FIRST_CAPTURED_VERSION } from '../../schemas/version.ts';
import { type BackfillFacts, type RunFact, readFacts, writeRun } from './facts.ts';
import type { BackfillOptions, KindSource } from './options.ts';

export interface StartedRun extends Pick<BackfillFacts, 'ranges'> {
  readonly run: RunFact;
  readonly resumed: boolean;
}

/** How long a process that was killed may count as one that is at work. */
const KILLED_MS = 15_000;
const LOOK_EVERY_MS = 500;

/** Those who move the ranges of one attempt together. */
export function crewOf({ generation, attempt }: Pick<RunFact, 'generation' | 'attempt'>): string {
  return `backfill.${generation}.${attempt}`;
}

/**
 * Joins the run that was asked for where others are at it; else goes on with it, or begins a new one, and writes down which.
 * Kinds that it does not know yet have no ranges.
 */
export async function startRun(options: BackfillOptions): Promise<StartedRun> {
  const { log, clock, sources, resume, shared = false } = options;
  const { runs, ranges } = await readFacts(log.control);
  const earlier = chooseRun(runs, resume);
  if (earlier !== undefined) {
    requireSameStores(earlier, sources);
    if (shared && (await isUnderWay(earlier, options))) return { run: earlier, ranges, resumed: true };
  }
  const generation = earlier?.generation ?? (runs.at(-1)?.generation ?? 0) + 1;
  if (generation >= FIRST_CAPTURED_VERSION) {
    throw new ChangeoverError('mismatch', `Generation ${generation} would pass for a captured version.`);
  }
  const run: RunFact = {
    generation,
    status: 'running',
    startedAtUs: earlier?.startedAtUs ?? clock.nowUs(),
    attempt: (earlier?.attempt ?? 0) + 1,
    kinds: kindsOf(sources),
    ranges: earlier?.ranges ?? {},
    stores: {
      ...earlier?.stores,
      ...Object.fromEntries(sources.map(({ kind, store }) => [kind, store])),
    },
  };
  await writeRun(log.control, run);
  return { run, ranges, resumed: earlier !== undefined };
}

/** Throws `conflict` unless this process is to move what the others move. */
export function requireSameKinds(run: RunFact, sources: readonly KindSource[]): void {
  if (movesTheSame(run, sources)) return;
  throw new ChangeoverError(
    'conflict',
    `Other processes are at backfill ${run.generation} and move ${run.kinds.join(', ')}; this one was to move ${kindsOf(sources).join(', ')}.`,
    { hint: 'Give all of them the same --kinds, or wait until the others have ended.' },
  );
}

/** Whether others are at it. Who wants to move something else waits for those that have just been killed to be forgotten. */
async function isUnderWay(
  run: RunFact,
  {
    log,
    clock,
    sources,
  }: Pick<BackfillOptions, 'clock' | 'sources'> & { readonly log: Pick<Log, 'members'> },
): Promise<boolean> {
  const fromMs = clock.elapsedMs();
  while ((await log.members(crewOf(run))) > 0) {
    if (movesTheSame(run, sources)) return true;
    if (clock.elapsedMs() - fromMs > KILLED_MS) requireSameKinds(run, sources);
    await clock.sleep(LOOK_EVERY_MS);
  }
  return false;
}

function movesTheSame(run: RunFact, sources: readonly KindSource[]): boolean {
  return run.kinds.join() === kindsOf(sources).join();
}

function kindsOf(sources: readonly KindSource[]): readonly Kind[] {
  return KINDS.filter((kind) => sources.some((source) => source.kind === kind));
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
