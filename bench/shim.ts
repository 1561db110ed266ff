/**
 * What capture adds to a write, beside the bare client in the same run, and how long a write takes to its target.
 *
 *   npm run bench -- shim [--only redis,dictionary,neo4j,end-to-end]
 */
import { parseArgs } from 'node:util';
import { type BenchStack, withBenchStack } from './end-to-end.ts';
import { benchDictionaryShim } from './shim/dictionary.ts';
import { benchShimEndToEnd } from './shim/end-to-end.ts';
import { benchNeo4jShim } from './shim/neo4j.ts';
import { benchRedisShim } from './shim/redis.ts';

const PARTS: Readonly<Record<string, (addresses: BenchStack) => Promise<string>>> = {
  redis: ({ redis }) => benchRedisShim(redis),
  dictionary: () => benchDictionaryShim(),
  neo4j: ({ neo4j }) => benchNeo4jShim(neo4j),
  'end-to-end': benchShimEndToEnd,
};

export async function benchShim(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { only: { type: 'string', default: Object.keys(PARTS).join(',') } },
  });
  await withBenchStack(async (addresses) => {
    for (const name of values.only.split(',')) {
      const part = PARTS[name];
      if (part === undefined)
        throw new Error(`There is no part ${name}; there are ${Object.keys(PARTS).join(', ')}.`);
      console.log(`\n### ${name}\n\n${await part(addresses)}\n`);
    }
  });
}
