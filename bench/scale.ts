/**
 * Processes that share a store's partitions: how fast so many are, and what it costs when they come and go.
 *
 *   npm run bench -- scale [--only processes,storm] [--rows 200000] [--seconds 120] [--rate 750] [--seed 1]
 */
import { readOptions, someOf, wholeNumber } from '../test/support/arguments.ts';
import { withBenchStack } from './bench-stack.ts';
import { benchProcesses } from './scale/processes.ts';
import { benchStorm } from './scale/storm.ts';

const PARTS = ['processes', 'storm'] as const;

export async function benchScale(args: readonly string[]): Promise<void> {
  const values = readOptions(
    args,
    {
      only: { type: 'string', default: PARTS.join(',') },
      rows: { type: 'string', default: '200000' },
      seconds: { type: 'string', default: '120' },
      rate: { type: 'string', default: '750' },
      seed: { type: 'string', default: '1' },
    },
    'npm run bench -- --help',
  );
  const parts = someOf('--only', values.only, PARTS);
  const rows = wholeNumber('--rows', values.rows, 1);
  const storm = {
    seconds: wholeNumber('--seconds', values.seconds, 1),
    rate: wholeNumber('--rate', values.rate, 1),
    seed: wholeNumber('--seed', values.seed, 0),
  };
  await withBenchStack(
    async (addresses, { dir }) => {
      if (parts.includes('processes'))
        console.log(`\n### Processes\n\n${await benchProcesses(addresses, dir, rows)}\n`);
      if (parts.includes('storm')) console.log(`\n### Storm\n\n${await benchStorm(addresses, dir, storm)}\n`);
    },
    ['kafka', 'postgres'],
  );
}
