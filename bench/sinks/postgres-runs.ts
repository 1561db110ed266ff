import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { stringify } from 'yaml';
import { stackConfig } from '../../cli/work/stack-config.ts';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { topicOf } from '../../schemas/kinds.ts';
import type { KafkaAddress, PostgresAddress } from '../../stack/addresses.ts';
import type { BenchStack } from '../bench-stack.ts';
import { startCommand } from '../cli.ts';
import { plainAgents } from '../raw/postgres.ts';

const BARE = fileURLToPath(new URL('postgres-bare.ts', import.meta.url));

export interface RunPlace {
  readonly addresses: BenchStack;
  readonly prefix: string;
  readonly round: number;
  readonly dir: string;
}

/** A process that follows the agents of a log into a table of its own. */
export interface FollowingRun {
  readonly start: () => ChildProcess;
  readonly group: string;
  readonly table: string;
}

export async function bareRun({ addresses, prefix, round }: RunPlace): Promise<FollowingRun> {
  const table = `bare_${round}`;
  const { url } = addresses.postgres;
  await execute(url, plainAgents(table));
  const group = `bare-${round}`;
  const args = [addresses.kafka.brokers[0] ?? '', topicOf(prefix, 'agent'), `${prefix}.${group}`, url, table];
  const start = () => spawn(process.execPath, [BARE, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  return { start, group, table };
}

/** The schema is there before, as after any first start. */
export async function ourRun({ addresses, prefix, round, dir }: RunPlace): Promise<FollowingRun> {
  const schema = `ours_${round}`;
  await prepare(addresses.postgres, schema);
  const configFile = join(dir, `round-${round}.yaml`);
  const { kafka, postgres } = addresses;
  const config = stackConfig(dir, { kafka, postgres });
  const target = { postgres: { ...(config.target as { postgres: object }).postgres, schema } };
  await writeFile(configFile, stringify({ ...config, prefix, target }), { mode: 0o600 });
  const start = () => startCommand(['--config', configFile, 'run', '--stores', 'postgres']);
  return { start, group: 'target.postgres', table: `${schema}.agents_held` };
}

export async function prepare(address: PostgresAddress, schema: string): Promise<void> {
  const options = postgresConnector.options.parse({ url: address.url, schema });
  const store = await postgresConnector.open(options, {
    name: 'target.postgres',
    role: 'target',
    kinds: ['agent'],
    logger: silentLogger,
    clock: systemClock,
  });
  try {
    await store.prepare();
  } finally {
    await store.close();
  }
}

export async function forgetGroup({ brokers }: KafkaAddress, group: string): Promise<void> {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await admin.deleteGroups([group]);
  } finally {
    await admin.disconnect();
  }
}

export async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
