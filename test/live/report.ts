import { VIOLATIONS } from './evidence.ts';
import { explain } from './explain.ts';
import { KILL_POINTS } from './kill-plan.ts';
import { type Failure, UNREACHABLE } from './life.ts';
import type { LiveReport } from './live-run.ts';
import { isCaptured } from './oracle-keys.ts';
import { unsampled } from './sampler.ts';

const VIOLATIONS_IN_FULL = 5;

/** Whether nothing is wrong: no violation, and nobody ended who should not have. */
export function isSound({ verdict, failures, samplesOf }: LiveReport): boolean {
  return verdict.violations.length === 0 && failures.every(isPassing) && unsampled(samplesOf).length === 0;
}

/** Whoever finds a server too busy to answer in time ends with that error, and is started again. */
const isPassing = ({ code }: Failure): boolean => code === UNREACHABLE;

/** The report as Markdown, as it goes to docs/measurements.md, with what is wrong behind it. */
export function reportText(report: LiveReport): string {
  const { options, seconds, verdict, failures } = report;
  return [
    `Seed ${options.seed}: ${report.kills.length} kills in ${seconds.toFixed(0)} s.`,
    '',
    killTable(report),
    '',
    countTable(report),
    '',
    VIOLATIONS.map((name) => `${verdict.counts[name]} ${name}`).join(', '),
    ...unsampled(report.samplesOf),
    `${failures.filter(isPassing).length} starts of a process failed because a server was too busy to answer.`,
    ...failures
      .filter((failure) => !isPassing(failure))
      .map(
        ({ role, store, code, stderr }) =>
          `\n${role}${store === undefined ? '' : ` of ${store}`} ended with ${code}:\n${stderr.slice(-3_000)}`,
      ),
    ...verdict.violations
      .slice(0, VIOLATIONS_IN_FULL)
      .map((violation) => `\n${explain(violation, report.evidence)}`),
  ].join('\n');
}

function killTable({ kills }: LiveReport): string {
  const points = KILL_POINTS.filter((point) => kills.some((kill) => kill.point === point));
  const stores = [...new Set(kills.map(({ store }) => store))].toSorted();
  const count = (store: string | undefined, point: string | undefined): string => {
    const found = kills.filter(
      (kill) => (store ?? kill.store) === kill.store && (point ?? kill.point) === kill.point,
    );
    return found.length === 0 ? '' : String(found.length);
  };
  const row = (name: string, store: string | undefined): readonly string[] => [
    name,
    ...points.map((point) => count(store, point)),
    count(store, undefined),
  ];
  return markdown(
    ['killed', ...points, 'all'],
    [...stores.map((store) => row(store, store)), row('all', undefined)],
  );
}

function countTable({ evidence, samples }: LiveReport): string {
  const { writes, log } = evidence;
  const captured = log.filter(isCaptured);
  const acknowledged = writes.filter(({ acknowledgedAt }) => acknowledgedAt !== null).length;
  const rejected = writes.filter((write) => write.rejected).length;
  const changes = new Set(captured.map(({ kind, key, version }) => `${kind} ${key} ${version}`)).size;
  return markdown(
    [
      'writes acknowledged',
      'in doubt',
      'nothing to do',
      'captured changes in the log',
      'published again',
      'read by backfills',
      'versions sampled',
    ],
    [
      [
        acknowledged,
        writes.length - acknowledged - rejected,
        rejected,
        changes,
        captured.length - changes,
        log.length - captured.length,
        samples,
      ].map((number) => number.toLocaleString('en-US')),
    ],
  );
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
