import { VIOLATIONS } from '../live/evidence.ts';
import { explain } from '../live/explain.ts';
import type { FaultReport } from './fault-run.ts';
import { isPassing } from './passing.ts';

const REFUSED = 3;
const IN_FULL = 5;

/** Whether nothing was lost, and nobody ended who should not have. */
export function isSound(report: FaultReport): boolean {
  return faultsOf(report).length === 0 && report.verdict.violations.length === 0;
}

function faultsOf({ failures, deadLetters, expectedDeadLetters }: FaultReport): readonly string[] {
  return [
    ...failures
      .filter(({ code, role }) => !isPassing(role, code))
      // Poison that is delivered again is refused again, and the command says so.
      .filter(({ code, role }) => !(role === 'run' && code === REFUSED && expectedDeadLetters > 0))
      .map(
        ({ role, store, code, stderr }) =>
          `${role} ${store ?? ''} ended with ${code}:\n${stderr.slice(-3_000)}`,
      ),
    ...(deadLetters < expectedDeadLetters
      ? [`${deadLetters} dead letters instead of ${expectedDeadLetters}`]
      : []),
    ...(deadLetters > 0 && expectedDeadLetters === 0
      ? [`${deadLetters} dead letters that nobody expected`]
      : []),
  ];
}

/** As Markdown. */
export function faultText(report: FaultReport): string {
  const { seed, struck, seconds, verdict, evidence, samples } = report;
  const acknowledged = evidence.writes.filter(({ acknowledgedAt }) => acknowledgedAt !== null).length;
  return [
    `Seed ${seed}: ${struck.length} faults in ${seconds.toFixed(0)} s, ${acknowledged} acknowledged writes, ${samples} versions sampled.`,
    '',
    '| fault | it took, s | overcome after, s |',
    '| --- | --- | --- |',
    ...struck.map(
      ({ fault, seconds: took, recoverySeconds }) =>
        `| ${fault} | ${took.toFixed(1)} | ${recoverySeconds.toFixed(1)} |`,
    ),
    '',
    VIOLATIONS.map((name) => `${verdict.counts[name]} ${name}`).join(', '),
    ...faultsOf(report),
    ...verdict.violations.slice(0, IN_FULL).map((violation) => `\n${explain(violation, evidence)}`),
  ].join('\n');
}
