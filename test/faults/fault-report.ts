import { VIOLATIONS } from '../live/evidence.ts';
import { explain } from '../live/explain.ts';
import { unsampled } from '../live/sampler.ts';
import type { FaultReport } from './fault-outcome.ts';
import { unaccounted } from './replay.ts';

const REFUSED = 3;
const IN_FULL = 5;

/** Whether nothing was lost, every record is accounted for, and nobody ended who should not have. */
export function isSound(report: FaultReport): boolean {
  return faultsOf(report).length === 0 && report.verdict.violations.length === 0;
}

function faultsOf({ failures, consumed, samplesOf, samplerFailures }: FaultReport): readonly string[] {
  const hasPoison = consumed.some(({ poison }) => poison > 0);
  return [
    ...failures
      // Poison that is delivered again is refused again, and the command says so.
      .filter(({ code, role }) => !(role === 'run' && code === REFUSED && hasPoison))
      .map(
        ({ role, store, code, stderr }) =>
          `${role} ${store ?? ''} ended with ${code}:\n${stderr.slice(-3_000)}`,
      ),
    ...consumed.flatMap(unaccounted),
    ...unsampled(samplesOf),
    ...samplerFailures.map(({ target, message }) => `${target} could not be sampled: ${message}`),
  ];
}

/** As Markdown. */
export function faultText(report: FaultReport): string {
  const { seed, struck, seconds, verdict, evidence, samples, consumed } = report;
  const acknowledged = evidence.writes.filter(({ acknowledgedAt }) => acknowledgedAt !== null).length;
  return [
    `Seed ${seed}: ${struck.length} faults in ${seconds.toFixed(0)} s, ${acknowledged} acknowledged writes, ${samples} versions sampled.`,
    '',
    ...table(
      ['fault', 'it took, s', 'overcome after, s', 'what shows that it struck'],
      struck.map(({ fault, seconds: took, recoverySeconds, proof }) => [
        fault,
        took.toFixed(1),
        recoverySeconds.toFixed(1),
        proof,
      ]),
    ),
    '',
    ...table(
      ['all of the log once more', 'consumed', 'applied', 'stale', 'refused', 'poison', 'dead letters'],
      consumed.map(({ target, received, applied, stale, refused, poison, letters }) =>
        [target, received, applied, stale, refused, poison, letters.right + letters.others].map(String),
      ),
    ),
    '',
    VIOLATIONS.map((name) => `${verdict.counts[name]} ${name}`).join(', '),
    ...faultsOf(report),
    ...verdict.violations.slice(0, IN_FULL).map((violation) => `\n${explain(violation, evidence)}`),
  ].join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
