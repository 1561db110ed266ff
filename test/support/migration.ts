import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { MilvusClient } from '@zilliz/milvus2-sdk-node';
import { Redis } from 'ioredis';
import neo4j, { type Driver } from 'neo4j-driver';
import pg from 'pg';
import { stringify } from 'yaml';
import { loadNeo4j } from '../../society/loaders/load-neo4j.ts';
import { loadRedis } from '../../society/loaders/load-redis.ts';
import { writeDictionary } from '../../society/loaders/society-files.ts';
import type { Society } from '../../society/society.ts';
import { type CommandResult, cli, type RunningCommand, startCli } from './cli.ts';
import { uniqueName } from './names.ts';
import { testStack } from './stack.ts';

/**
 * Places of its own on the shared servers for one migration from end to end: labels, key patterns, a schema, a
 * collection, topics, and a configuration that names them all.
 */
export interface Migration {
  readonly folder: string;
  readonly configFile: string;
  readonly dictionaryFile: string;
  readonly name: string;
  readonly postgres: pg.Pool;
  readonly neo4j: Driver;
  readonly redis: Redis;
  readonly labels: { readonly legacyAgent: string; readonly memory: string; readonly agent: string };
  cli(...args: readonly string[]): Promise<CommandResult>;
  start(...args: readonly string[]): RunningCommand;
  load(society: Society): Promise<void>;
  close(): Promise<void>;
}

export async function openMigration(): Promise<Migration> {
  const stack = testStack();
  const name = uniqueName('e2e');
  const folder = await mkdtemp(join(tmpdir(), 'changeover-e2e-'));
  const labels = { legacyAgent: `Legacy_${name}`, memory: `Memory_${name}`, agent: `Agent_${name}` };
  const keys = {
    agent: `${name}:agent:{id}`,
    qValues: `${name}:q:{id}`,
    policy: `${name}:policy:{id}`,
    experiences: `${name}:exp:{id}`,
  };
  const dictionaryFile = join(folder, 'dictionary', 'society.json');
  await mkdir(dirname(dictionaryFile));
  // Many processes start at once on few cores.
  const patient = { connectTimeoutMs: 30_000 };
  const config = {
    prefix: name,
    // A consumer that was killed is missed for as long as a session lasts; the shortest that a broker takes is 6 s.
    kafka: { brokers: stack.kafka.brokers, partitions: 4, sessionTimeoutMs: 6_000 },
    legacy: {
      dictionary: { file: dictionaryFile },
      neo4j: { ...stack.neo4j, ...patient, labels: { agent: labels.legacyAgent, memory: labels.memory } },
      redis: {
        url: `redis://${stack.redis.host}:${stack.redis.port}/0`,
        password: stack.redis.password,
        keys: { ...keys, namedPolicies: `${name}:policies:{id}` },
        bookkeepingPrefix: `${name}:changeover:`,
      },
    },
    target: {
      neo4j: { ...stack.neo4j, ...patient, labels: { agent: labels.agent } },
      milvus: { address: stack.milvus.address, collection: name },
      postgres: { url: stack.postgres.url, ...patient, schema: name },
    },
    origins: {
      agent: 'dictionary',
      relationship: 'dictionary',
      embedding: 'neo4j',
      experience: 'redis',
      'q-value': 'redis',
      policy: 'redis',
    },
  };
  const configFile = join(folder, 'changeover.yaml');
  await writeFile(configFile, stringify(config), { mode: 0o600 });

  // A server that is killed and comes back is connected to once more.
  const postgres = new pg.Pool({ connectionString: stack.postgres.url, max: 1, idleTimeoutMillis: 0 });
  postgres.on('error', () => {});
  await postgres.query('SELECT 1');
  const driver = neo4j.driver(stack.neo4j.url, neo4j.auth.basic(stack.neo4j.user, stack.neo4j.password));
  const redis = new Redis({ host: stack.redis.host, port: stack.redis.port, password: stack.redis.password });
  const onRejected = ({ where, reason }: { readonly where: string; readonly reason: string }): never => {
    throw new Error(`${where}: ${reason}`);
  };

  return {
    folder,
    configFile,
    dictionaryFile,
    name,
    postgres,
    neo4j: driver,
    redis,
    labels,
    cli: (...args) => cli(['--config', configFile, ...args]),
    start: (...args) => startCli(['--config', configFile, ...args]),
    async load(society) {
      await writeDictionary(society, dictionaryFile);
      const { database } = stack.neo4j;
      const legacyLabels = { agent: labels.legacyAgent, memory: labels.memory };
      await loadNeo4j(society, driver, { database, labels: legacyLabels, onRejected });
      await loadRedis(society, redis, { keys, onRejected });
    },
    async close() {
      // Every client is closed even when a clean-up fails: an open one would keep the test's process alive.
      const results = await Promise.allSettled([
        postgres.query(`DROP SCHEMA IF EXISTS ${name} CASCADE`).finally(() => postgres.end()),
        forgetKeys(redis, name).finally(() => redis.disconnect()),
        forgetLabels(driver, name).finally(() => driver.close()),
        forgetCollections(stack.milvus.address, name),
        rm(folder, { recursive: true, force: true }),
      ]);
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    },
  };
}

async function forgetKeys(redis: Redis, name: string): Promise<void> {
  const keys = await redis.keys(`${name}:*`);
  if (keys.length > 0) await redis.del(...keys);
}

async function forgetCollections(address: string, name: string): Promise<void> {
  const client = new MilvusClient({ address, timeout: 10_000 });
  try {
    const { data } = await client.showCollections();
    const ours = data.filter((each) => each.name.startsWith(name));
    for (const each of ours) await client.dropCollection({ collection_name: each.name });
  } finally {
    await client.closeConnection();
  }
}

/** Everything in the graph whose label names this migration: nodes, constraints and indexes. */
async function forgetLabels(driver: Driver, name: string): Promise<void> {
  const triggers = await driver.executeQuery(
    "CALL apoc.trigger.show('neo4j') YIELD name",
    {},
    { database: 'system' },
  );
  for (const record of triggers.records) {
    const trigger = String(record.get('name'));
    if (!trigger.includes(name)) continue;
    await driver.executeQuery(
      "CALL apoc.trigger.drop('neo4j', $trigger)",
      { trigger },
      { database: 'system' },
    );
  }
  const rows = async (query: string): Promise<readonly Record<string, unknown>[]> =>
    (await driver.executeQuery(query, { name })).records.map((record) => record.toObject());
  for (const { label } of await rows(
    'CALL db.labels() YIELD label WHERE label CONTAINS $name RETURN label',
  )) {
    await driver.executeQuery(`MATCH (n:\`${String(label)}\`) DETACH DELETE n`);
  }
  for (const [kind, plural] of [
    ['CONSTRAINT', 'CONSTRAINTS'],
    ['INDEX', 'INDEXES'],
  ] as const) {
    const found = await rows(
      `SHOW ${plural} YIELD name AS what, labelsOrTypes WHERE any(label IN labelsOrTypes WHERE label CONTAINS $name) RETURN what`,
    );
    for (const { what } of found) await driver.executeQuery(`DROP ${kind} \`${String(what)}\` IF EXISTS`);
  }
}
