import { parseArgs } from 'node:util';
import { ALL_BUGS, BUGS, type Bug } from './bugs.ts';
import type { Handover } from './follower.ts';
import { inThreads } from './in-threads.ts';
import { firstFinding, type Outcome, simulate } from './simulate.ts';

/**
 *   npm run simulate -- --seed 17            one seed, with its trace
 *   npm run simulate -- --seeds 2000         the seeds 1 to 2000
 *   npm run simulate -- --seeds 500 --from 501 --bug guard-missing
 *   npm run simulate -- --bugs               the first seed that finds each planted bug
 *   --handover leased                        of the store without a guard (follower.ts)
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    bug: { type: 'string' },
    bugs: { type: 'boolean', default: false },
    handover: { type: 'string', default: 'settled' },
  },
});

function bugNamed(name: string | undefined): Bug | undefined {
  const bug = ALL_BUGS.find((each) => each === name);
  if (name !== undefined && bug === undefined)
    throw new Error(`No such bug. There are: ${ALL_BUGS.join(', ')}`);
  if (bug !== undefined) say(`planted: ${BUGS[bug]}`);
  return bug;
}

function handoverNamed(name: string): Handover {
  if (name === 'settled' || name === 'leased' || name === 'none') return name;
  throw new Error('A handover is settled, leased or none.');
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function tell({ seed, hash, steps, virtualMs, writes, records, violations }: Outcome): void {
  const found = violations.map(({ name, detail, atMs }) => `\n  ${name} at ${atMs.toFixed(1)} ms: ${detail}`);
  say(
    `seed ${seed}: ${steps} steps, ${virtualMs} ms, ${writes} writes, ${records} records, trace ${hash}${found.join('')}`,
  );
}

const bug = bugNamed(values.bug);
const handover = handoverNamed(values.handover);
if (values.bugs) {
  for (const each of ALL_BUGS) {
    const found = await firstFinding(each);
    const [first] = found?.violations ?? [];
    say(
      `${each.padEnd(28)} ${found === undefined ? 'NOT FOUND' : `seed ${found.seed}: ${first?.name}: ${first?.detail}`}`,
    );
    if (found === undefined) process.exitCode = 1;
  }
} else if (values.seed !== undefined) {
  const outcome = await simulate(Number(values.seed), { bug, handover, keepTrace: true });
  for (const line of outcome.trace) say(line);
  tell(outcome);
  process.exitCode = outcome.violations.length === 0 ? 0 : 1;
} else {
  const from = Number(values.from);
  const seeds = Number(values.seeds ?? 100);
  const startedMs = performance.now();
  let [failed, steps] = [0, 0];
  for await (const outcome of inThreads({ from, to: from + seeds - 1, options: { bug, handover } })) {
    steps += outcome.steps;
    if (outcome.violations.length === 0) continue;
    failed += 1;
    tell(outcome);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  say(
    `${seeds} seeds, ${failed} with violations, ${steps} steps, ${seconds.toFixed(1)} s, ${((seconds * 1000) / seeds).toFixed(1)} ms a seed`,
  );
  process.exitCode = failed === 0 ? 0 : 1;
}
