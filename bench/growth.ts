/**
 * Does the rate fall, or memory grow, as the work grows? Backfill of generated agents from the dictionary into Kafka,
 * with the rate of each tenth of the work.
 *
 *   npm run bench -- growth [--agents 1000000]
 */
import { join } from 'node:path';
import { writeStackConfig } from '../cli/work/stack-config.ts';
import { openGeneratedSociety } from '../society/generator/generate-society.ts';
import { writeDictionary } from '../society/loaders/society-files.ts';
import { readOptions, wholeNumber } from '../test/support/arguments.ts';
import { withBenchStack } from './bench-stack.ts';
import { startCommand } from './cli.ts';
import { markdownTable, peakResidentMegabytes, whole } from './measure.ts';

const PROGRESS = /^agent: ([\d,]+) of/;

export async function benchGrowth(args: readonly string[]): Promise<void> {
  const values = readOptions(
    args,
    { agents: { type: 'string', default: '1000000' } },
    'npm run bench -- --help',
  );
  const agents = wholeNumber('--agents', values.agents, 1);
  await withBenchStack(async (addresses, { dir }) => {
    const configFile = await writeStackConfig(dir, addresses);
    // Few friends: this is about the number of agents.
    await writeDictionary(
      openGeneratedSociety({ agents, seed: 1, friendsPerAgent: 1 }),
      join(dir, 'society.json'),
    );
    const startedMs = performance.now();
    const child = startCommand(['--config', configFile, 'backfill', '--kinds', 'agent']);
    const seen: { readonly done: number; readonly seconds: number; readonly megabytes: number }[] = [];
    child.stderr?.on('data', (text: Buffer) => {
      for (const line of text.toString().split('\n')) {
        const done = Number(PROGRESS.exec(line)?.[1]?.replaceAll(',', ''));
        if (!Number.isFinite(done) || child.pid === undefined) continue;
        seen.push({
          done,
          seconds: (performance.now() - startedMs) / 1000,
          megabytes: peakResidentMegabytes(child.pid),
        });
      }
    });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    if (code !== 0) throw new Error(`backfill ended with ${code}`);
    console.log(
      markdownTable(
        ['agents published', 'seconds', 'agents/s since the line before', 'peak resident MB'],
        tenths(seen, agents),
      ),
    );
  });
}

/** The first observation at or after each tenth of the work. */
function tenths(
  seen: readonly { readonly done: number; readonly seconds: number; readonly megabytes: number }[],
  agents: number,
): readonly (readonly string[])[] {
  let before = { done: 0, seconds: 0 };
  const rows: string[][] = [];
  for (let tenth = 1; tenth <= 10; tenth++) {
    const at = seen.find(({ done }) => done >= (agents * tenth) / 10);
    if (at === undefined || at.done === before.done) continue;
    const speed = (at.done - before.done) / (at.seconds - before.seconds);
    rows.push([whole(at.done), at.seconds.toFixed(1), whole(speed), whole(at.megabytes)]);
    before = at;
  }
  return rows;
}
