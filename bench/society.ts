/**
 * The society end to end, several times over, beside the raw limit of each server in the same run. The first round meets
 * servers that have just been started, and pays for what their Java compiles while it runs; the last one says what a
 * system that has been up for a while can do.
 *
 *   npm run bench -- society [--data FOLDER | --agents N] [--rounds N]
 */
import { openDemoSociety } from '../cli/demo/demo-society.ts';
import { readOptions, wholeNumber } from '../test/support/arguments.ts';
import { type BenchStack, withBenchStack } from './bench-stack.ts';
import { type EndToEnd, loadSociety, moveSociety } from './end-to-end.ts';
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
      await timed('Kafka: publish 200-byte records', () => rawPublish(addresses.kafka, moved.changes, 200)),
      {
        what: 'Postgres: guarded upsert of as many rows',
        ...(await rawUpsertRows(addresses.postgres, rows)),
      },
      await timed('Neo4j: guarded MERGE of as many nodes', () =>
        graph.nodes(Math.max(byKind.agent, RAW_NODES)),
      ),
      await timed('Neo4j: guarded MERGE of as many relationships', () =>
        graph.relationships(byKind.relationship, RAW_NODES),
      ),
      await timed('Milvus: upsert of as many vectors by the official client', () =>
        rawUpsertVectors(addresses.milvus, byKind.embedding, 384),
      ),
    ];
  } finally {
    await graph.close();
  }
}

const ROUNDS = '3';

export async function benchSociety(args: readonly string[]): Promise<void> {
  const values = readOptions(
    args,
    {
      data: { type: 'string' },
      agents: { type: 'string', default: '3500' },
      rounds: { type: 'string', default: ROUNDS },
    },
    'npm run bench -- --help',
  );
  const roundCount = wholeNumber('--rounds', values.rounds, 1);
  const choice = {
    agents: wholeNumber('--agents', values.agents, 1),
    seed: 1,
    ...(values.data === undefined ? {} : { data: values.data }),
  };
  const society = await openDemoSociety(choice, ({ where, reason }) => {
    throw new Error(`${where}: ${reason}`);
  });
  await withBenchStack(async (addresses, stack) => {
    await loadSociety(society, addresses, stack);
    const rounds: EndToEnd[] = [];
    for (let round = 1; round <= roundCount; round++) {
      rounds.push(await moveSociety(addresses, stack, round));
    }
    console.log(
      markdownTable(
        ['round', 'changes', 'seconds', 'per second', 'all in the log after', 'backfill, MB', 'run, MB'],
        rounds.map(roundRow),
      ),
    );
    console.log('\nProcessor seconds:\n');
    console.log(cpuTable(rounds));
    const [first] = rounds;
    if (first === undefined) return;
    const limits = await rawLimits(addresses, first);
    console.log('\nAlone, on the same servers, afterwards:\n');
    console.log(
      markdownTable(
        ['raw limit', 'items', 'seconds', 'per second'],
        limits.map((figure) => [
          figure.what,
          whole(figure.items),
          figure.seconds.toFixed(1),
          whole(perSecond(figure)),
        ]),
      ),
    );
  });
}

function roundRow(moved: EndToEnd, index: number): readonly string[] {
  return [
    index === 0 ? '1, servers just started' : `${index + 1}`,
    whole(moved.changes),
    moved.seconds.toFixed(1),
    `**${whole(moved.changes / moved.seconds)}**`,
    `${moved.backfillSeconds.toFixed(1)} s`,
    whole(moved.backfillMegabytes),
    whole(moved.runMegabytes),
  ];
}

function cpuTable(rounds: readonly EndToEnd[]): string {
  const names = Object.keys(rounds[0]?.cpu ?? {});
  return markdownTable(
    ['round', ...names],
    rounds.map(({ cpu }, index) => [index + 1, ...names.map((name) => (cpu[name] ?? 0).toFixed(1))]),
  );
}
