/**
 * The full kill test of live capture: writers, relays, followers and backfills are killed again and again, and what every
 * application was told is compared with the log and with every target store (test/live/).
 *
 *   npm run live-kill -- --kills 200 --seed 1
 *   npm run live-kill -- --redis intercept --neo4j cypher      only these ways of writing
 *
 * On servers that run already: CHANGEOVER_TEST_STACK=FILE (what `changeover stack status --json` prints); otherwise it
 * starts its own and stops them afterwards. Exit code 1 when anything was lost, resurrected, invented or disordered; 2 when the
 * command line is wrong.
 */
import { reportError } from '../cli/output/report-error.ts';
import { stopOnSignals } from '../cli/stop-signal.ts';
import { exitCodeOf } from '../core/errors.ts';
import { HELP, type LiveArguments, readArguments } from '../test/live/arguments.ts';
import { runLive } from '../test/live/live-run.ts';
import { isSound, reportText } from '../test/live/report.ts';
import { withServers } from './own-servers.ts';

const stop = new AbortController();
stopOnSignals(stop);

async function run({ kills, seed, ratePerSecond, ways }: LiveArguments): Promise<boolean> {
  const report = await withServers('live-kill', stop.signal, () =>
    runLive({
      signal: stop.signal,
      kills,
      seed,
      ratePerSecond,
      ways,
      onProgress: (text) => console.error(text),
    }),
  );
  console.log(reportText(report));
  return isSound(report);
}

try {
  const chosen = readArguments(process.argv.slice(2));
  if (chosen.help) console.log(HELP);
  else process.exitCode = (await run(chosen)) ? 0 : 1;
} catch (error) {
  process.exitCode = stop.signal.aborted ? exitCodeOf(stop.signal.reason) : reportError(error, process.env);
}
