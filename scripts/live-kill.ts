/**
 * The full kill test of live capture: writers, relays, followers and backfills are killed again and again, and what every
 * application was told is compared with the log and with every target store (test/live/).
 *
 *   npm run live-kill -- --kills 200 --seed 1
 *   npm run live-kill -- --redis intercept --neo4j cypher      only these ways of writing
 *
 * On servers that run already: CHANGEOVER_TEST_STACK=FILE (what `changeover stack status --json` prints); otherwise it
 * starts its own and stops them afterwards. Exit code 1 when anything was lost, resurrected, invented or disordered.
 */
import { parseArgs } from 'node:util';
import { reportError } from '../cli/output/report-error.ts';
import { stopOnSignals } from '../cli/stop-signal.ts';
import { exitCodeOf } from '../core/errors.ts';
import { type LiveOptions, runLive } from '../test/live/live-run.ts';
import { isSound, reportText } from '../test/live/report.ts';
import { WAYS, WAYS_OF, type Way } from '../test/live/writer-options.ts';
import { withServers } from './own-servers.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    rate: { type: 'string', default: '60' },
    dictionary: { type: 'string', default: WAYS_OF.dictionary.join(',') },
    neo4j: { type: 'string', default: WAYS_OF.neo4j.join(',') },
    redis: { type: 'string', default: WAYS_OF.redis.join(',') },
  },
});

function waysOf(text: string): readonly Way[] {
  return text.split(',').map((name) => {
    const way = WAYS.find((each) => each === name);
    if (way === undefined) throw new Error(`There is no way ${name}; there are ${WAYS.join(', ')}.`);
    return way;
  });
}

const stop = new AbortController();
stopOnSignals(stop);

const options: LiveOptions = {
  signal: stop.signal,
  kills: Number(values.kills),
  seed: Number(values.seed),
  ratePerSecond: Number(values.rate),
  ways: {
    dictionary: waysOf(values.dictionary),
    neo4j: waysOf(values.neo4j),
    redis: waysOf(values.redis),
  },
  onProgress: (text) => console.error(text),
};
try {
  const report = await withServers('live-kill', stop.signal, () => runLive(options));
  console.log(reportText(report));
  process.exitCode = isSound(report) ? 0 : 1;
} catch (error) {
  process.exitCode = stop.signal.aborted ? exitCodeOf(stop.signal.reason) : reportError(error, process.env);
}
