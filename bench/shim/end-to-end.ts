import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MilvusClient } from '@zilliz/milvus2-sdk-node';
import { Redis } from 'ioredis';
import neo4j from 'neo4j-driver';
import pg from 'pg';
import { stringify } from 'yaml';
import { readConfig } from '../../cli/config.ts';
import { withDeployment } from '../../cli/deployment.ts';
import { openEmbedded } from '../../cli/embedded.ts';
import { stackConfig } from '../../cli/work/stack-config.ts';
import { ended, said, startCommand } from '../cli.ts';
import type { BenchStack } from '../end-to-end.ts';
import { markdownTable, whole } from '../measure.ts';
import { quantile, timeEach } from './latencies.ts';

const WRITES_PER_SECOND = 200;
const SECONDS = 20;
const WARM_UP_SECONDS = 5;
const KEYS = 200;
const DIMENSION = 384;
/** Between two looks into a target; a look adds half of it on the average. */
const LOOK_EVERY_MS = 1;

/** One way from an application's write to a target store. */
interface Way {
  readonly what: string;
  /** Writes the token under one of the keys; resolves when the application may go on. */
  write(token: number): Promise<unknown>;
  /** Tokens that are in the target now and are greater than the given one, as far as it is cheap. */
  look(after: number): Promise<readonly number[]>;
  /** How long the target's own read takes, where that is most of it. */
  readOnce?(): Promise<unknown>;
}

/**
 * From an application's write to visible in the target: shim, outbox, relay, Kafka, sink. the application
 * is this process, with the relay in it; `changeover run` is another. One store after the other, 200 writes a second.
 */
export async function benchShimEndToEnd(addresses: BenchStack, only = /./): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'changeover-bench-'));
  const configFile = join(folder, 'changeover.yaml');
  const config = { ...stackConfig(folder, addresses), prefix: 'bench-live' };
  await writeFile(configFile, stringify(config), { mode: 0o600 });
  await writeFile(join(folder, 'society.json'), '{}');
  const settings = readConfig(configFile, {});
  await withDeployment(
    settings,
    async (deployment) => {
      for (const name of ['dictionary', 'redis', 'neo4j']) {
        const store = await deployment.captured(name);
        await store.prepare();
        await store.capture.install();
      }
    },
    { capture: true },
  );
  const run = startCommand(['--config', configFile, 'run']);
  const runEnded = ended(run);
  runEnded.catch(() => {});
  // The application: it writes, and relays what it has written.
  const changeover = await openEmbedded({ config: configFile });
  const { dictionary } = changeover;
  if (dictionary === undefined) throw new Error('No dictionary.');
  const stop = new AbortController();
  const relaying = changeover.relay.run(stop.signal);
  relaying.catch(() => {});
  const redis = new Redis(addresses.redis.url, { password: addresses.redis.password });
  const postgres = new pg.Client({ connectionString: addresses.postgres.url });
  const graph = neo4j.driver(
    addresses.neo4j.url,
    neo4j.auth.basic(addresses.neo4j.user, addresses.neo4j.password),
  );
  const milvus = new MilvusClient({ address: addresses.milvus.address });
  try {
    await Promise.all([said(run, 'follows'), postgres.connect()]);
    const shim = changeover.intercept(redis);
    const ways: readonly Way[] = [
      {
        what: 'Redis (intercepted HSET) → Postgres',
        write: (token) =>
          shim.hset(`rl:q:a${token % KEYS}`, 's|1', JSON.stringify({ value: token, visits: 1 })),
        look: async (after) =>
          (await postgres.query('SELECT value FROM changeover.q_values WHERE value > $1', [after])).rows.map(
            ({ value }) => Number(value),
          ),
      },
      {
        what: 'dictionary (observed set) → Postgres',
        write: (token) => dictionary.set(`a${token % KEYS}`, agentOf(token)),
        look: async (after) =>
          (
            await postgres.query(
              "SELECT (attributes->>'token')::bigint AS token FROM changeover.agents WHERE (attributes->>'token')::bigint > $1",
              [after],
            )
          ).rows.map(({ token }) => Number(token)),
      },
      {
        what: 'dictionary (observed set) → Neo4j',
        write: (token) => dictionary.set(`a${token % KEYS}`, agentOf(token)),
        look: async (after) =>
          (
            await graph.executeQuery('MATCH (n:Agent) WHERE n.token > $after RETURN n.token AS token', {
              after,
            })
          ).records.map((record) => Number(record.get('token'))),
      },
      {
        what: 'Neo4j (Cypher, trigger) → Milvus',
        write: (token) =>
          graph.executeQuery(
            `MERGE (m:Memory {id: $id}) SET m.agentId = $id, m.model = 'bench', m.token = $token, m.embedding = $vector`,
            { id: `m${token % KEYS}`, token, vector: unitVector(token) },
          ),
        look: async () => {
          const { data } = await milvus.query({
            collection_name: 'agent_memories',
            filter: 'version > 0',
            output_fields: ['metadata'],
            consistency_level: 'Strong' as never,
            limit: 1_000,
          });
          return data.map(({ metadata }) => Number((metadata as { token?: number }).token ?? 0));
        },
        readOnce: () =>
          milvus.query({
            collection_name: 'agent_memories',
            filter: 'version > 0',
            output_fields: ['metadata'],
            consistency_level: 'Strong' as never,
            limit: 1_000,
          }),
      },
    ];
    const rows = [];
    for (const way of ways.filter(({ what }) => only.test(what))) {
      await measure(way, WARM_UP_SECONDS);
      rows.push(await rowOf(way));
    }
    return markdownTable(
      [
        'way',
        'writes',
        'acknowledged p50, ms',
        'p99, ms',
        'visible p50, ms',
        'p90, ms',
        'p99, ms',
        "target's own read p50, ms",
      ],
      rows,
    );
  } finally {
    run.kill('SIGTERM');
    stop.abort();
    await Promise.allSettled([runEnded, relaying]);
    redis.disconnect();
    await Promise.allSettled([postgres.end(), graph.close(), milvus.closeConnection(), changeover.close()]);
    await withDeployment(
      settings,
      async (deployment) => (await deployment.captured('neo4j')).capture.uninstall(),
      {
        capture: true,
      },
    );
    await rm(folder, { recursive: true, force: true });
  }
}

async function rowOf(way: Way): Promise<readonly (string | number)[]> {
  const { acknowledged, visible } = await measure(way, SECONDS);
  const reads = way.readOnce && (await timeEach(50, () => way.readOnce?.() ?? Promise.resolve()));
  const ms = (values: readonly number[], share: number): string => quantile(values, share).toFixed(1);
  return [
    way.what,
    whole(visible.length),
    ms(acknowledged, 0.5),
    ms(acknowledged, 0.99),
    ms(visible, 0.5),
    ms(visible, 0.9),
    ms(visible, 0.99),
    reads ? ms(reads, 0.5) : '',
  ];
}

let token = 0;

/** Milliseconds from the call to its acknowledgement, and from the call to the first look that saw it. */
async function measure(
  way: Way,
  seconds: number,
): Promise<{ readonly acknowledged: readonly number[]; readonly visible: readonly number[] }> {
  const acknowledged: number[] = [];
  const visible: number[] = [];
  const startedMs = new Map<number, number>();
  let newest = token;
  let over = false;
  const looking = (async () => {
    while (!over) {
      const seen = await way.look(newest);
      const nowMs = performance.now();
      for (const each of seen) {
        newest = Math.max(newest, each);
        const atMs = startedMs.get(each);
        if (atMs === undefined) continue;
        visible.push(nowMs - atMs);
        startedMs.delete(each);
      }
      await sleep(LOOK_EVERY_MS);
    }
  })();
  const beganMs = performance.now();
  const writes: Promise<unknown>[] = [];
  for (let count = 0; count < seconds * WRITES_PER_SECOND; count++) {
    const waitMs = beganMs + (count * 1_000) / WRITES_PER_SECOND - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    token += 1;
    const atMs = performance.now();
    startedMs.set(token, atMs);
    writes.push(way.write(token).then(() => acknowledged.push(performance.now() - atMs)));
  }
  await Promise.all(writes);
  await sleep(2_000);
  over = true;
  await looking;
  return { acknowledged, visible };
}

const agentOf = (token: number) => ({
  id: `a${token % KEYS}`,
  type: 'citizen',
  active: true,
  attributes: { name: `Name ${token}`, token },
  memory: { friends: [] },
});

function unitVector(seed: number): readonly number[] {
  const raw = Array.from({ length: DIMENSION }, (_, index) => Math.sin((seed % 1_000) + index * 1.7));
  const norm = Math.hypot(...raw);
  return raw.map((component) => component / norm);
}
