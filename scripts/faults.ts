/**
 * The fault matrix: writers, relays, followers and a backfill are at work while connections break, processes are killed or
 * sleep, servers die and the log holds what it should not; an independent oracle compares what the applications were told
 * with the log and every target (test/faults/).
 *
 *   npm run faults -- --seed 1                        everything
 *   npm run faults -- --only 'half-open to kafka'     some, separated by commas
 *   npm run faults -- --list
 *
 * On servers of its own; with CHANGEOVER_TEST_STACK=FILE on those, and then no server is killed. Exit code 1 when anything
 * was lost, resurrected, invented or disordered.
 */
import { parseArgs } from 'node:util';
import { reportError } from '../cli/output/report-error.ts';
import { stopOnSignals } from '../cli/stop-signal.ts';
import { exitCodeOf } from '../core/errors.ts';
import { FAULTS, inOrderOf, named } from '../test/faults/catalogue.ts';
import type { Fault, OwnServers } from '../test/faults/fault.ts';
import { faultText, isSound } from '../test/faults/fault-report.ts';
import { runFaults } from '../test/faults/fault-run.ts';
import { canMakeDisks } from '../test/faults/small-disk.ts';
import { withServers } from './own-servers.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    rate: { type: 'string', default: '40' },
    list: { type: 'boolean', default: false },
  },
});

/** Faults of one run; with more of them nobody could tell which of them lost something. */
const IN_ONE_RUN = 8;

const stop = new AbortController();
stopOnSignals(stop);

async function runAllOf(seed: number): Promise<boolean> {
  return withServers('faults', stop.signal, async (servers) => {
    const chosen = values.only === undefined ? FAULTS : named(values.only.split(','));
    const faults = inOrderOf(
      seed,
      chosen.filter(
        ({ needsOwnServers = false, needsRoot = false }) =>
          (!needsOwnServers || servers !== undefined) && (!needsRoot || canMakeDisks()),
      ),
    );
    const skipped = chosen.filter((fault) => !faults.includes(fault)).map(({ name }) => name);
    if (skipped.length > 0)
      console.log(`Only on servers of its own, or by root; not done: ${skipped.join(', ')}`);
    let isAllSound = true;
    for (let start = 0; start < faults.length; start += IN_ONE_RUN) {
      const some = faults.slice(start, start + IN_ONE_RUN);
      const isSoundSoFar = await runSome(some, seed + start, servers);
      isAllSound &&= isSoundSoFar;
    }
    return isAllSound;
  });
}

/** What does not come to its end is no reason to leave the others out. */
async function runSome(
  faults: readonly Fault[],
  seed: number,
  servers: OwnServers | undefined,
): Promise<boolean> {
  try {
    const report = await runFaults({
      faults,
      seed,
      ratePerSecond: Number(values.rate),
      signal: stop.signal,
      onProgress: (text) => console.error(text),
      ...(servers !== undefined && { servers }),
    });
    console.log(`${faultText(report)}\n`);
    return isSound(report);
  } catch (error) {
    if (stop.signal.aborted) throw error;
    const names = faults.map(({ name }) => name).join(', ');
    console.log(`Seed ${seed} did not come to its end (${names}):\n${stackOf(error)}\n`);
    await servers?.up();
    return false;
  }
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

if (values.list) console.log(FAULTS.map(({ name }) => name).join('\n'));
else {
  try {
    process.exitCode = (await runAllOf(Number(values.seed))) ? 0 : 1;
  } catch (error) {
    process.exitCode = stop.signal.aborted ? exitCodeOf(stop.signal.reason) : reportError(error, process.env);
  }
}
