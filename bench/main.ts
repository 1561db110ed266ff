import { reportError } from '../cli/output/report-error.ts';
import { oneOf } from '../test/support/arguments.ts';
import { benchGrowth } from './growth.ts';
import { benchScale } from './scale.ts';
import { benchShim } from './shim.ts';
import { benchSinks } from './sinks.ts';
import { benchSociety } from './society.ts';

const BENCHMARKS = {
  society: benchSociety,
  growth: benchGrowth,
  shim: benchShim,
  sinks: benchSinks,
  scale: benchScale,
} as const satisfies Readonly<Record<string, (args: readonly string[]) => Promise<void>>>;

const NAMES = Object.keys(BENCHMARKS) as readonly (keyof typeof BENCHMARKS)[];

const HELP = `Usage: npm run bench -- [benchmark] [options]

Benchmarks, and their options:
  society (the default)
    --data <folder>   the society in this folder
    --agents <n>      or so many generated agents (default: 3500)
    --rounds <n>      (default: 3)
  growth
    --agents <n>      (default: 1000000)
  shim
    --only <list>     of redis, dictionary, neo4j, end-to-end (default: all)
  sinks
    --only <list>     of postgres, visible, consume, milvus, neo4j (default: all)
    --rows <n>        (default: 1000000)
    --vectors <n>     (default: 200000)
  scale
    --only <list>     of processes, storm (default: both)
    --rows <n>        of processes (default: 200000)
    --seconds <n>     of the storm (default: 120)
    --rate <n>        writes a second in it (default: 750)
    --seed <n>        of the storm (default: 1)

Each runs on servers of its own. Exit code 2 when the command line is wrong.`;

const [first = 'society', ...rest] = process.argv.slice(2);
try {
  if ([first, ...rest].some((arg) => arg === '--help' || arg === '-h')) console.log(HELP);
  else await BENCHMARKS[oneOf('bench', first, NAMES)](rest);
} catch (error) {
  process.exitCode = reportError(error, process.env);
}
// What was interrupted is still under way.
process.exit();
