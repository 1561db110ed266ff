/**
 * What capture adds to a write, beside the bare client in the same run, and how long a write takes to its target.
 *
 *   npm run bench -- shim [--only redis,dictionary,neo4j,end-to-end]
 */
import { readOptions, someOf } from '../test/support/arguments.ts';
import { type BenchStack, withBenchStack } from './bench-stack.ts';
import { benchDictionaryShim } from './shim/dictionary.ts';
import { benchShimEndToEnd } from './shim/end-to-end.ts';
import { benchNeo4jShim } from './shim/neo4j.ts';
import { benchRedisShim } from './shim/redis.ts';

const PARTS = {
  redis: ({ redis }) => benchRedisShim(redis),
  dictionary: () => benchDictionaryShim(),
  neo4j: ({ neo4j }) => benchNeo4jShim(neo4j),
  'end-to-end': benchShimEndToEnd,
} as const satisfies Readonly<Record<string, (addresses: BenchStack) => Promise<string>>>;

const ALL_PARTS = Object.keys(PARTS) as readonly (keyof typeof PARTS)[];

export async function benchShim(args: readonly string[]): Promise<void> {
  const { only } = readOptions(
    args,
    { only: { type: 'string', default: ALL_PARTS.join(',') } },
    'npm run bench -- --help',
  );
  const parts = someOf('--only', only, ALL_PARTS);
  await withBenchStack(async (addresses) => {
    for (const name of parts) console.log(`\n### ${name}\n\n${await PARTS[name](addresses)}\n`);
  });
}
