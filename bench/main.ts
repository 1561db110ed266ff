import { benchGrowth } from './growth.ts';
import { benchScale } from './scale.ts';
import { benchShim } from './shim.ts';
import { benchSinks } from './sinks.ts';
import { benchSociety } from './society.ts';

const BENCHMARKS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  society: benchSociety,
  growth: benchGrowth,
  shim: benchShim,
  sinks: benchSinks,
  scale: benchScale,
};

const [name = 'society', ...args] = process.argv.slice(2);
const benchmark = BENCHMARKS[name];
if (benchmark === undefined) {
  console.error(`There is no benchmark ${name}; there are ${Object.keys(BENCHMARKS).join(', ')}.`);
  process.exitCode = 2;
} else {
  await benchmark(args);
}
