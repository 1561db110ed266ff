import type { BackfillStanding } from '../work/backfill-orders.ts';
import { count, duration, table } from './format.ts';

/** What was ordered, how far the newest run is, and what each process says of itself. */
export function backfillStatusText({ orders, run, processes }: BackfillStanding): string {
  const rate = orders.perSecond === null ? 'as configured' : `${count(orders.perSecond)}/s`;
  const lines = [`Ordered: ${orders.paused ? 'paused' : 'to run'}, rate ${rate}.`];
  if (run === undefined) lines.push('There has been no backfill.');
  else {
    const { generation, status, published, rejected, done, ranges } = run;
    const rejectedText = rejected === 0 ? '' : `, ${count(rejected)} rejected`;
    lines.push(
      `Backfill ${generation}: ${status === 'done' ? 'done' : 'not finished'}, ${count(published)} published${rejectedText}, ${done} of ${ranges} ranges.`,
    );
  }
  if (processes.length === 0) lines.push('No process runs one.');
  else {
    const rows = processes.map(({ process, state, published, perSecond, limitPerSecond, ageMs, remarks }) => [
      process,
      state,
      published,
      `${count(perSecond)}/s`,
      limitPerSecond === null ? '' : `${count(limitPerSecond)}/s`,
      `${duration(ageMs)} ago`,
      remarks.join('; '),
    ]);
    lines.push(table(['process', 'state', 'published', 'speed', 'limit', 'heard', ''], rows));
  }
  return lines.join('\n');
}
