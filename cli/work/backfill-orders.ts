import { systemClock } from '../../core/clock.ts';
import type { Log } from '../../log/log.ts';
import { type RunFact, readFacts } from '../../producers/backfill/facts.ts';
import { type KnownReport, type Orders, readOrders, readReports } from '../../producers/backfill/orders.ts';
import { plannedRanges } from '../../producers/backfill/plan.ts';
import { KINDS } from '../../schemas/kinds.ts';

/** How the newest run stands, over all processes and kinds. */
export interface RunStanding extends Pick<RunFact, 'generation' | 'status'> {
  readonly published: number;
  readonly rejected: number;
  readonly done: number;
  readonly ranges: number;
}

export interface BackfillStanding {
  readonly orders: Orders;
  readonly run: RunStanding | undefined;
  readonly processes: readonly (KnownReport & { readonly ageMs: number })[];
}

/** A process reports every few seconds; of one that has not for so long nothing is expected any more. */
const FORGOTTEN_AFTER_MS = 60_000;

export async function backfillStanding(log: Log): Promise<BackfillStanding> {
  const orders = await readOrders(log.control);
  const reports = await readReports(log.control);
  const nowUs = systemClock.nowUs();
  return {
    orders,
    run: await newestRun(log),
    processes: reports
      .map((report) => ({ ...report, ageMs: Math.max(0, (nowUs - report.atUs) / 1_000) }))
      .filter(({ ageMs }) => ageMs < FORGOTTEN_AFTER_MS),
  };
}

async function newestRun(log: Log): Promise<RunStanding | undefined> {
  const { runs, ranges } = await readFacts(log.control);
  const run = runs.at(-1);
  if (run === undefined) return undefined;
  const ours = plannedRanges({ run, ranges }, KINDS).flatMap(({ standing }) => standing ?? []);
  return {
    generation: run.generation,
    status: run.status,
    published: ours.reduce((sum, { published }) => sum + published, 0),
    rejected: ours.reduce((sum, { rejected }) => sum + rejected, 0),
    done: ours.filter(({ status }) => status === 'done').length,
    ranges: Object.values(run.ranges).reduce((sum, each) => sum + each.length, 0),
  };
}
