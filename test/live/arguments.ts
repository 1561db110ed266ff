import { readOptions, someOf, wholeNumber } from '../support/arguments.ts';
import { ORIGIN_STORES, type OriginStore } from './key-space.ts';
import { WAYS_OF, type Way } from './writer-options.ts';

/** Ways of writing that there are for each store. */
const WAYS_TO: Readonly<Record<OriginStore, readonly Way[]>> = {
  dictionary: ['capture', 'shim'],
  neo4j: ['capture', 'shim', 'cypher'],
  redis: ['capture', 'shim', 'intercept'],
};

const optionsOfStores = ORIGIN_STORES.map((store) => {
  const option = `--${store} <list>`.padEnd(20);
  return `  ${option} its writers, of ${WAYS_TO[store].join(', ')} (default: ${WAYS_OF[store].join(',')})`;
}).join('\n');

export const HELP = `Usage: npm run live-kill -- [options]

Options:
  --kills <number>     at least so many; each point of each store at least once (default: 200)
  --seed <number>      of the plan and of all that is written (default: 1)
  --rate <number>      writes a second to each store (default: 60)
${optionsOfStores}
  -h, --help           this

Exit code 1 when anything was lost, resurrected, invented or disordered; 2 when the command line is wrong.`;

/** What the command line of the kill test asks for. */
export interface LiveArguments {
  readonly kills: number;
  readonly seed: number;
  readonly ratePerSecond: number;
  readonly ways: Readonly<Record<OriginStore, readonly Way[]>>;
  readonly help: boolean;
}

/** Throws `usage` for anything that it does not understand. */
export function readArguments(args: readonly string[]): LiveArguments {
  const { kills, seed, rate, help, ...ways } = readOptions(
    args,
    {
      kills: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      rate: { type: 'string', default: '60' },
      dictionary: { type: 'string', default: WAYS_OF.dictionary.join(',') },
      neo4j: { type: 'string', default: WAYS_OF.neo4j.join(',') },
      redis: { type: 'string', default: WAYS_OF.redis.join(',') },
      help: { type: 'boolean', short: 'h', default: false },
    },
    'npm run live-kill -- --help',
  );
  return {
    kills: wholeNumber('--kills', kills, 1),
    seed: wholeNumber('--seed', seed, 0),
    ratePerSecond: wholeNumber('--rate', rate, 1),
    ways: {
      dictionary: someOf('--dictionary', ways.dictionary, WAYS_TO.dictionary),
      neo4j: someOf('--neo4j', ways.neo4j, WAYS_TO.neo4j),
      redis: someOf('--redis', ways.redis, WAYS_TO.redis),
    },
    help,
  };
}
