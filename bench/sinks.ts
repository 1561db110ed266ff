/**
 * How fast each sink is, beside the fastest hand-written loop with the official client in the same run, and beside others.
 *
 *   npm run bench -- sinks [--only postgres,visible,neo4j,milvus,consume] [--rows 1000000] [--vectors 200000]
 */
import { parseArgs } from 'node:util';
import { withBenchStack } from './end-to-end.ts';
import { benchConsume } from './sinks/consume.ts';
import { benchMilvusSink } from './sinks/milvus.ts';
import { benchNeo4j } from './sinks/neo4j.ts';
import type { SinkBenchOptions } from './sinks/options.ts';
import { benchPostgresSink } from './sinks/postgres.ts';
import { benchVisible } from './sinks/visible.ts';

export type { SinkBenchOptions };

/** Each answers Markdown. */
const PARTS: Readonly<Record<string, (options: SinkBenchOptions) => Promise<string>>> = {
  postgres: benchPostgresSink,
  visible: benchVisible,
  consume: benchConsume,
  milvus: benchMilvusSink,
  neo4j: benchNeo4j,
};

export async function benchSinks(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: Object.keys(PARTS).join(',') },
      rows: { type: 'string', default: '1000000' },
      vectors: { type: 'string', default: '200000' },
    },
  });
  const [rows, vectors] = [Number(values.rows), Number(values.vectors)];
  await withBenchStack(async (addresses) => {
    for (const name of values.only.split(',')) {
      const part = PARTS[name];
      if (part === undefined)
        throw new Error(`There is no part ${name}; there are ${Object.keys(PARTS).join(', ')}.`);
      console.log(`\n### ${name}\n\n${await part({ addresses, rows, vectors })}\n`);
    }
  });
}
