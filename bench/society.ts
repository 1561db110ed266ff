/**
 * The real society end to end, beside the raw limit of each server in the same run.
 *
 *   npm run bench -- society [--data FOLDER | --agents N]
 */
import { parseArgs } from 'node:util';
import { openDemoSociety } from '../cli/demo/demo-society.ts';
import { type BenchStack, type EndToEnd, moveSociety, withBenchStack } from './end-to-end.ts';
import { type Figure, markdownTable, perSecond, timed, whole } from './measure.ts';
import { rawPublish } from './raw/kafka.ts';
import { rawUpsertVectors } from './raw/milvus.ts';
import { openRawGraph } from './raw/neo4j.ts';
import { rawUpsertRows } from './raw/postgres.ts';

const RAW_NODES = 3_505;

async function rawLimits(addresses: BenchStack, moved: EndToEnd): Promise<readonly Figure[]> {
  const { byKind } = moved;
  const rows = byKind.agent + byKind.experience + byKind['q-value'] + byKind.policy;
  const graph = await openRawGraph(addresses.neo4j);
  try {
    return [
      await timed('Kafka: publish 200-byte records, alone', () =>
        rawPublish(addresses.kafka, moved.changes, 200),
      ),
      await timed('Postgres: guarded upsert of as many rows, alone', () =>
        rawUpsertRows(addresses.postgres, rows),
      ),
      await timed('Neo4j: guarded MERGE of as many nodes, alone', () =>
        graph.nodes(Math.max(byKind.agent, RAW_NODES)),
      ),
      await timed('Neo4j: guarded MERGE of as many relationships, alone', () =>
        graph.relationships(byKind.relationship, RAW_NODES),
      ),
      await timed('Milvus: upsert of as many vectors by the official client, alone', () =>
        rawUpsertVectors(addresses.milvus, byKind.embedding, 384),
      ),
    ];
  } finally {
    await graph.close();
  }
}

export async function benchSociety(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { data: { type: 'string' }, agents: { type: 'string', default: '3500' } },
  });
  const choice = {
    agents: Number(values.agents),
    seed: 1,
    ...(values.data === undefined ? {} : { data: values.data }),
  };
  const society = await openDemoSociety(choice, ({ where, reason }) => {
    throw new Error(`${where}: ${reason}`);
  });
  await withBenchStack(async (addresses, dir) => {
    const moved = await moveSociety(society, addresses, dir);
    const limits = await rawLimits(addresses, moved);
    const rows = [
      [
        '**end to end, all kinds at once**',
        whole(moved.changes),
        moved.seconds.toFixed(1),
        `**${whole(moved.changes / moved.seconds)}**`,
      ],
      [
        'of that, until all is in the log',
        whole(moved.changes),
        moved.backfillSeconds.toFixed(1),
        whole(moved.changes / moved.backfillSeconds),
      ],
      ...limits.map((figure) => [
        figure.what,
        whole(figure.items),
        figure.seconds.toFixed(1),
        whole(perSecond(figure)),
      ]),
    ];
    console.log(markdownTable(['', 'changes', 'seconds', 'per second'], rows));
    console.log(
      `\nPeak resident set: backfill ${whole(moved.backfillMegabytes)} MB, run ${whole(moved.runMegabytes)} MB.`,
    );
  });
}
