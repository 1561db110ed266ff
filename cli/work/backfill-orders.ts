import { type Clock, systemClock } from '../../core/clock.ts';
import type { Log } from '../../log/log.ts';
import { type RunFact, readFacts } from '../../producers/backfill/facts.ts';
import { type KnownReport, type Orders, readOrders, readReports } from '../../producers/backfill/orders.ts';
import { SILENT_AFTER_MS } from '../../producers/backfill/peers.ts';
import { plannedRanges } from '../../producers/backfill/plan.ts';
import { crewOf } from '../../producers/backfill/start-run.ts';
import { KINDS } from '../../schemas/kinds.ts';

/** How the newest run stands, over all processes and kinds. */
export interface RunStanding extends Pick<RunFact, 'generation'> {
  /** Interrupted: it is not done, and nobody is at it. */
  readonly status: RunFact['status'] | 'interrupted';
  readonly published: number;
  readonly rejected: number;
  readonly done: number;
  readonly ranges: number;
}

export interface ProcessStanding extends Omit<KnownReport, 'state'> {
  /** What it said last; one that was killed says nothing any more. */
  readonly state: KnownReport['state'] | 'stopped-reporting';
  /** By this host's clock; not below 0, where that of the process is ahead. */
  readonly ageMs: number;
}

export interface BackfillStanding {
  readonly orders: Orders;
  readonly run: RunStanding | undefined;
  readonly processes: readonly ProcessStanding[];
}

/** So long it is told that a process has stopped reporting; then nobody needs to be told any more. */
const FORGOTTEN_AFTER_MS = 60_000;

export async function backfillStanding(
  log: Log,
  clock: Pick<Clock, 'nowUs'> = systemClock,
): Promise<BackfillStanding> {
  const orders = await readOrders(log.control);
  const reports = await readReports(log.control);
  const nowUs = clock.nowUs();
  const ageOf = ({ atUs }: KnownReport): number => (nowUs - atUs) / 1_000;
  // Of the far future is what a process says whose clock is ahead: it says nothing about now.
  const recent = reports.filter((report) => Math.abs(ageOf(report)) < SILENT_AFTER_MS);
  return {
    orders,
    run: await newestRun(log, recent),
    processes: reports
      .map((report): ProcessStanding => {
        const ageMs = Math.max(0, ageOf(report));
        return { ...report, ageMs, ...(ageMs >= SILENT_AFTER_MS && { state: 'stopped-reporting' }) };
      })
      .filter(({ ageMs }) => ageMs < FORGOTTEN_AFTER_MS),
  };
}

async function newestRun(log: Log, recent: readonly KnownReport[]): Promise<RunStanding | undefined> {
  const { runs, ranges } = await readFacts(log.control);
  const run = runs.at(-1);
  if (run === undefined) return undefined;
  const ours = plannedRanges({ run, ranges }, KINDS).flatMap(({ standing }) => standing ?? []);
  return {
    generation: run.generation,
    status: (await isInterrupted(log, run, recent)) ? 'interrupted' : run.status,
    published: ours.reduce((sum, { published }) => sum + published, 0),
    rejected: ours.reduce((sum, { rejected }) => sum + rejected, 0),
    done: ours.filter(({ status }) => status === 'done').length,
    ranges: Object.values(run.ranges).reduce((sum, each) => sum + each.length, 0),
  };
}

/**
 * A run that was killed stays `running` in the facts. Nobody is at it when its crew has no members, whatever clocks say; a
 * process that has begun and not joined yet is known by its report.
 */
async function isInterrupted(log: Log, run: RunFact, recent: readonly KnownReport[]): Promise<boolean> {
  if (run.status === 'done' || recent.some(({ generation }) => generation === run.generation)) return false;
  return (await log.members(crewOf(run))) === 0;
}
