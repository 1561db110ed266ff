/** Explores the specification with bounds of one's own: npm run specification -- --help */
import { parseArgs } from 'node:util';
import { CONFIGURATIONS, type ConfigurationName } from './configurations.ts';
import { explore } from './explore.ts';
import { MUTATIONS, type Mutation } from './rules.ts';
import { showViolation } from './show.ts';
import type { Constants } from './state.ts';

const names = Object.keys(CONFIGURATIONS);
const constantNames = Object.keys(CONFIGURATIONS['relay-killed']) as (keyof Constants)[];
const HELP = `Usage: npm run specification -- [options]

  --from NAME       begin with these bounds: ${names.join(', ')}; all of them by default
  --mutation NAME   break a rule: ${Object.keys(MUTATIONS).join(', ')}
  --progress        tell each depth
${constantNames.map((name) => `  --${name} N`).join('\n')}

Exit code 1 when a property is broken; the shortest trace is printed. A million states take about 100 MB and 40 s.
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    from: { type: 'string' },
    mutation: { type: 'string' },
    progress: { type: 'boolean' },
    ...(Object.fromEntries(constantNames.map((name) => [name, { type: 'string' }])) as Record<
      keyof Constants,
      { type: 'string' }
    >),
  },
});
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function wrong(what: string): never {
  say(`${what}\n\n${HELP}`);
  process.exit(2);
}

function constantsOf(name: ConfigurationName): Constants {
  const given = constantNames.flatMap((constant) => {
    const text = values[constant];
    if (text === undefined) return [];
    if (!/^\d+$/.test(text)) wrong(`--${constant} takes a number, not ${text}.`);
    return [[constant, Number(text)]];
  });
  return { ...CONFIGURATIONS[name], ...Object.fromEntries(given) };
}

function run(name: ConfigurationName): void {
  const constants = constantsOf(name);
  say(`${name}: ${constantNames.map((constant) => `${constant} ${constants[constant]}`).join(', ')}`);
  const startedMs = performance.now();
  const { states, steps, depth, drained, violation } = explore({
    constants,
    rules: (values.mutation as Mutation | undefined) ?? null,
    onDepth: (at, count) => values.progress && say(`  depth ${at}: ${count} states`),
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const memory = Math.round(process.memoryUsage().rss / 1e6);
  say(
    `  ${states} distinct states, ${steps} steps, depth ${depth}, ${drained} drained, ${seconds} s, ${memory} MB`,
  );
  if (violation === undefined) return;
  say(showViolation(violation));
  process.exitCode = 1;
}

if (values.help) say(HELP);
else if (values.from !== undefined && !names.includes(values.from)) wrong(`There is no ${values.from}.`);
else if (values.mutation !== undefined && !(values.mutation in MUTATIONS))
  wrong(`There is no ${values.mutation}.`);
else for (const name of values.from === undefined ? names : [values.from]) run(name as ConfigurationName);
