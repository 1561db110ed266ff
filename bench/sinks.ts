/**
 * How fast each sink is, beside the fastest hand-written loop with the official client in the same run, and beside others.
 *
 *   npm run bench -- sinks [--only postgres,visible,neo4j,milvus,consume] [--rows 1000000] [--vectors 200000]
 */
import { readOptions, someOf, wholeNumber } from '../test/support/arguments.ts';
import { withBenchStack } from './bench-stack.ts';
import { benchConsume } from './sinks/consume.ts';
import { benchMilvusSink } from './sinks/milvus.ts';
import { benchNeo4j } from './sinks/neo4j.ts';
import type { SinkBenchOptions } from './sinks/options.ts';
import { benchPostgresSink } from './sinks/postgres.ts';
import { benchVisible } from './sinks/visible.ts';

export type { SinkBenchOptions };

/** Each answers Markdown. */
const PARTS = {
  postgres: benchPostgresSink,
  visible: benchVisible,
  consume: benchConsume,
  milvus: benchMilvusSink,
  neo4j: benchNeo4j,
} as const satisfies Readonly<Record<string, (options: SinkBenchOptions) => Promise<string>>>;

const ALL_PARTS = Object.keys(PARTS) as readonly (keyof typeof PARTS)[];

export async function benchSinks(args: readonly string[]): Promise<void> {
  const values = readOptions(
    args,
    {
      only: { type: 'string', default: ALL_PARTS.join(',') },
      rows: { type: 'string', default: '1000000' },
      vectors: { type: 'string', default: '200000' },
    },
    'npm run bench -- --help',
  );
  const parts = someOf('--only', values.only, ALL_PARTS);
  const rows = wholeNumber('--rows', values.rows, 1);
  const vectors = wholeNumber('--vectors', values.vectors, 1);
  await withBenchStack(async (addresses) => {
    for (const name of parts)
      console.log(`\n### ${name}\n\n${await PARTS[name]({ addresses, rows, vectors })}\n`);
  });
}
