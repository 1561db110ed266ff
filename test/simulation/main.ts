import { reportError } from '../../cli/output/report-error.ts';
import { HELP, readArguments, type SimulationArguments } from './arguments.ts';
import { ALL_BUGS, BUGS } from './bugs.ts';
import { inThreads } from './in-threads.ts';
import { firstFinding, type Outcome, simulate } from './simulate.ts';

/**
 *   npm run simulate -- --seed 17            one seed, with its trace
 *   npm run simulate -- --seeds 2000         the seeds 1 to 2000
 *   npm run simulate -- --seeds 500 --from 501 --bug guard-missing
 *   npm run simulate -- --bugs               the first seed that finds each planted bug
 *   --handover leased                        of the store without a guard (follower.ts)
 */
const say = (line: string): void => void process.stdout.write(`${line}\n`);

function tell({ seed, hash, steps, virtualMs, writes, records, violations }: Outcome): void {
  const found = violations.map(({ name, detail, atMs }) => `\n  ${name} at ${atMs.toFixed(1)} ms: ${detail}`);
  say(
    `seed ${seed}: ${steps} steps, ${virtualMs} ms, ${writes} writes, ${records} records, trace ${hash}${found.join('')}`,
  );
}

/** These three answer whether all is as it should be. */
async function findEachBug(): Promise<boolean> {
  let isEachFound = true;
  for (const each of ALL_BUGS) {
    const found = await firstFinding(each);
    const [first] = found?.violations ?? [];
    say(
      `${each.padEnd(28)} ${found === undefined ? 'NOT FOUND' : `seed ${found.seed}: ${first?.name}: ${first?.detail}`}`,
    );
    isEachFound &&= found !== undefined;
  }
  return isEachFound;
}

async function runOne(seed: number, { bug, handover }: SimulationArguments): Promise<boolean> {
  const outcome = await simulate(seed, { bug, handover, keepTrace: true });
  for (const line of outcome.trace) say(line);
  tell(outcome);
  return outcome.violations.length === 0;
}

async function runMany({ from, seeds, bug, handover }: SimulationArguments): Promise<boolean> {
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
  return failed === 0;
}

function run(chosen: SimulationArguments): Promise<boolean> {
  if (chosen.bug !== undefined) say(`planted: ${BUGS[chosen.bug]}`);
  if (chosen.eachBug) return findEachBug();
  return chosen.seed === undefined ? runMany(chosen) : runOne(chosen.seed, chosen);
}

try {
  const chosen = readArguments(process.argv.slice(2));
  if (chosen.help) say(HELP);
  else process.exitCode = (await run(chosen)) ? 0 : 1;
} catch (error) {
  process.exitCode = reportError(error, process.env);
}
