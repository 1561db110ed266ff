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
 * was lost, resurrected, invented or disordered, or a fault did not strike; 2 when the command line is wrong; 8 when none of the
 * faults can be done here.
 */
import { dirname } from 'node:path';
import { reportError } from '../cli/output/report-error.ts';
import { stopOnSignals } from '../cli/stop-signal.ts';
import { ChangeoverError, exitCodeOf } from '../core/errors.ts';
import { type FaultArguments, readArguments } from '../test/faults/arguments.ts';
import { FAULTS, inOrderOf, named } from '../test/faults/catalogue.ts';
import type { Fault, OwnServers } from '../test/faults/fault.ts';
import { faultText, isSound } from '../test/faults/fault-report.ts';
import { runFaults } from '../test/faults/fault-run.ts';
import { canMakeDisks, removeLeftOvers } from '../test/faults/small-disk.ts';
import { withServers } from './own-servers.ts';

const HELP = `Usage: npm run faults -- [options]

Options:
  --seed <number>  of the order of the faults and of all that is written (default: 1)
  --only <list>    only these faults, separated by commas
  --rate <number>  writes a second to each store (default: 40)
  --list           the names of all faults
  -h, --help       this

With CHANGEOVER_TEST_STACK=FILE on the servers whose addresses that file has
(\`changeover stack status --json > FILE\`),
without the faults that kill one or fill its disk.`;

/** Faults of one run; with more of them nobody could tell which of them lost something. */
const IN_ONE_RUN = 8;

const stop = new AbortController();
stopOnSignals(stop);

async function runAllOf({ seed, names, ratePerSecond }: FaultArguments): Promise<boolean> {
  return withServers('faults', stop.signal, async (servers) => {
    const chosen = names === undefined ? FAULTS : named(names);
    const faults = inOrderOf(
      seed,
      chosen.filter((fault) => canStrike(fault, servers !== undefined)),
    );
    const skipped = chosen.filter((fault) => !faults.includes(fault)).map(({ name }) => name);
    if (skipped.length > 0)
      console.log(`Only on servers of its own, or by root; not done: ${skipped.join(', ')}`);
    let isAllSound = true;
    for (let start = 0; start < faults.length; start += IN_ONE_RUN) {
      const some = faults.slice(start, start + IN_ONE_RUN);
      const isSoundSoFar = await runSome(some, seed + start, ratePerSecond, servers);
      isAllSound &&= isSoundSoFar;
    }
    return isAllSound;
  });
}

function canStrike({ needsOwnServers, needsRoot }: Fault, hasOwnServers: boolean): boolean {
  return (needsOwnServers !== true || hasOwnServers) && (needsRoot !== true || canMakeDisks());
}

/** Before a server is started for nothing. */
function assertAnyCanStrike(names: readonly string[] | undefined): void {
  const hasOwnServers = (process.env.CHANGEOVER_TEST_STACK ?? '') === '';
  const chosen = names === undefined ? FAULTS : named(names);
  if (chosen.some((fault) => canStrike(fault, hasOwnServers))) return;
  throw new ChangeoverError(
    'unsupported',
    'None of these faults can be done here, so nothing was looked at',
    {
      hint: 'Leave CHANGEOVER_TEST_STACK away for those that need servers of their own, and be root for those with a full disk.',
    },
  );
}

/** What a run that was killed has left of its disks. */
function cleanUp(): void {
  for (const { folder, kept } of removeLeftOvers()) {
    if (kept === undefined) console.error(`Took away the disk that a run before has left in ${folder}`);
    else
      console.error(
        `A run before has left a disk in ${folder}, which is in use (${kept.trim()}): end its servers (\`changeover stack down --dir ${dirname(folder)}\`), and the next run takes it away.`,
      );
  }
}

/** What does not come to its end is no reason to leave the others out. */
async function runSome(
  faults: readonly Fault[],
  seed: number,
  ratePerSecond: number,
  servers: OwnServers | undefined,
): Promise<boolean> {
  try {
    const report = await runFaults({
      faults,
      seed,
      ratePerSecond,
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

try {
  const chosen = readArguments(
    process.argv.slice(2),
    FAULTS.map(({ name }) => name),
  );
  if (chosen.help) console.log(HELP);
  else if (chosen.list) console.log(FAULTS.map(({ name }) => name).join('\n'));
  else {
    assertAnyCanStrike(chosen.names);
    cleanUp();
    process.exitCode = (await runAllOf(chosen)) ? 0 : 1;
  }
} catch (error) {
  process.exitCode = stop.signal.aborted ? exitCodeOf(stop.signal.reason) : reportError(error, process.env);
}
