import type { BackfillStanding, ProcessStanding, RunStanding } from '../work/backfill-orders.ts';
import { count, duration, exact, table } from './format.ts';

const STATUS: Readonly<Record<RunStanding['status'], string>> = {
  running: 'not finished',
  done: 'done',
  interrupted: 'interrupted',
};

const STATE: Readonly<Record<ProcessStanding['state'], string>> = {
  running: 'running',
  slowed: 'slowed',
  paused: 'paused',
  'stopped-reporting': 'stopped reporting',
};

/** What was ordered, how far the newest run is, and what each process says of itself. */
export function backfillStatusText({ orders, run, processes }: BackfillStanding): string {
  const rate = orders.perSecond === null ? 'as configured' : `${exact(orders.perSecond)}/s`;
  const lines = [`Ordered: ${orders.paused ? 'paused' : 'to run'}, rate ${rate}.`];
  if (run === undefined) lines.push('There has been no backfill.');
  else {
    const { generation, status, published, rejected, done, ranges } = run;
    const rejectedText = rejected === 0 ? '' : `, ${count(rejected)} rejected`;
    lines.push(
      `Backfill ${generation}: ${STATUS[status]}, ${count(published)} published${rejectedText}, ${done} of ${ranges} ranges.`,
    );
    if (status === 'interrupted')
      lines.push('Nobody is at it: `changeover backfill` goes on where the log had confirmed it.');
  }
  if (processes.length === 0) lines.push('No process runs one.');
  else {
    const rows = processes.map(({ process, state, published, perSecond, limitPerSecond, ageMs, remarks }) => [
      process,
      STATE[state],
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
