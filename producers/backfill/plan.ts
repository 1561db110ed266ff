import { ChangeoverError } from '../../core/errors.ts';
import type { ControlTopic } from '../../log/log.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';
import { type BackfillFacts, type RangeFact, type RunFact, rangeSubject, readFacts } from './facts.ts';
import type { KindSource } from './options.ts';
import { isSettled, standingOf } from './range-standing.ts';

/** A run, and all that was said of its ranges. */
export interface RunState extends Pick<BackfillFacts, 'ranges'> {
  readonly run: RunFact;
}

/** A range of a run, and how far it has come; undefined where nothing was said of it. */
export interface PlannedRange {
  readonly kind: Kind;
  readonly number: number;
  readonly range: ScanRange;
  readonly subject: string;
  readonly standing: RangeFact | undefined;
}

export async function readRun(control: Pick<ControlTopic, 'read'>, generation: number): Promise<RunState> {
  const { runs, ranges } = await readFacts(control, generation);
  const [run] = runs;
  if (run !== undefined) return { run, ranges };
  throw new ChangeoverError('mismatch', `The control topic has forgotten backfill ${generation}.`, {
    hint: 'Was the topic recreated? Begin a new run with --restart.',
  });
}

/** The run with ranges for what its attempt moves and has none yet. */
export async function withRanges(
  run: RunFact,
  sources: readonly KindSource[],
  parts: number,
): Promise<RunFact> {
  const ranges: Partial<Record<Kind, readonly ScanRange[]>> = { ...run.ranges };
  for (const { kind, source } of sources) ranges[kind] ??= await source.ranges(kind, parts);
  return { ...run, ranges };
}

export function isPlanned({ kinds, ranges }: RunFact): boolean {
  return kinds.every((kind) => ranges[kind] !== undefined);
}

/** The ranges of these kinds in turn, so that every store has something to do from the start. */
export function plannedRanges(
  { run, ranges }: RunState,
  kinds: readonly Kind[] = run.kinds,
): readonly PlannedRange[] {
  const byKind = kinds.map((kind) =>
    (run.ranges[kind] ?? []).map((range, number) => {
      const subject = rangeSubject(run.generation, kind, number);
      return { kind, number, range, subject, standing: standingOf(range, ranges.get(subject) ?? []) };
    }),
  );
  const most = Math.max(0, ...byKind.map((planned) => planned.length));
  return Array.from({ length: most }, (_, turn) => byKind.flatMap((planned) => planned[turn] ?? [])).flat();
}

/** Items of a kind that are through: published, or refused and told. */
export function itemsThrough(state: RunState, kind: Kind): number {
  return plannedRanges(state, [kind]).reduce(
    (sum, { standing }) => sum + (standing === undefined ? 0 : standing.published + standing.rejected),
    0,
  );
}

/** Whether this attempt has nothing left to do. */
export function isOver(state: RunState): boolean {
  const { run } = state;
  if (!isPlanned(run)) return false;
  return plannedRanges(state).every(({ standing }) => isSettled(standing, run.attempt));
}

/** Whether the run has ranges of other kinds than those of this attempt that have not been moved. */
export function hasOthersLeft(state: RunState): boolean {
  const others = KINDS.filter((kind) => !state.run.kinds.includes(kind));
  return plannedRanges(state, others).some(({ standing }) => standing?.status !== 'done');
}
