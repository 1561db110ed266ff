/** Explores the specification with bounds of one's own: npm run specification -- --help */
import { reportError } from '../../cli/output/report-error.ts';
import { CONSTANT_NAMES, HELP, readArguments, type SpecificationArguments } from './arguments.ts';
import { CONFIGURATIONS, type ConfigurationName } from './configurations.ts';
import { explore } from './explore.ts';
import { showViolation } from './show.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Answers whether every property holds. */
function run(name: ConfigurationName, { constants, mutation, progress }: SpecificationArguments): boolean {
  const bounds = { ...CONFIGURATIONS[name], ...constants };
  say(`${name}: ${CONSTANT_NAMES.map((constant) => `${constant} ${bounds[constant]}`).join(', ')}`);
  const startedMs = performance.now();
  const { states, steps, depth, drained, violation } = explore({
    constants: bounds,
    rules: mutation,
    onDepth: (at, count) => progress && say(`  depth ${at}: ${count} states`),
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const memory = Math.round(process.memoryUsage().rss / 1e6);
  say(
    `  ${states} distinct states, ${steps} steps, depth ${depth}, ${drained} drained, ${seconds} s, ${memory} MB`,
  );
  if (violation !== undefined) say(showViolation(violation));
  return violation === undefined;
}

try {
  const chosen = readArguments(process.argv.slice(2));
  if (chosen.help) say(HELP);
  else for (const name of chosen.from) if (!run(name, chosen)) process.exitCode = 1;
} catch (error) {
  process.exitCode = reportError(error, process.env);
}
