/**
 * Processes that share a store's partitions: how fast so many are, and what it costs when they come and go.
 *
 *   npm run bench -- scale [--only processes,storm] [--rows 200000] [--seconds 120] [--rate 750] [--seed 1]
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openStack } from '../stack/stack.ts';
import { readOptions, someOf, wholeNumber } from '../test/support/arguments.ts';
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
  const stack = await openStack({
    dir: join('.changeover', 'bench-scale'),
    services: ['kafka', 'postgres'],
    onProgress: ({ service, message }) => console.error(`  ${service.padEnd(10)} ${message}`),
  });
  if (existsSync(join(stack.dir, 'state.json'))) await stack.reset();
  try {
    const addresses = await stack.up();
    if (parts.includes('processes'))
      console.log(`\n### Processes\n\n${await benchProcesses(addresses, stack.dir, rows)}\n`);
    if (parts.includes('storm'))
      console.log(`\n### Storm\n\n${await benchStorm(addresses, stack.dir, storm)}\n`);
  } finally {
    await stack.reset();
    // The configurations of the processes hold passwords.
    await rm(stack.dir, { recursive: true, force: true });
  }
}
