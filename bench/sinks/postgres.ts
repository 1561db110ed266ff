import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
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
import { startCommand } from '../cli.ts';
import type { BenchStack } from '../end-to-end.ts';
import { markdownTable, perSecond, timed, whole } from '../measure.ts';
import { guardedUpsert, plainAgents, rawUpsertRows } from '../raw/postgres.ts';
import type { SinkBenchOptions } from './options.ts';
import { openPeer, PEER_SETTINGS } from './peer.ts';
import { agentChange, fillLog } from './postgres-content.ts';
import { type Followed, followed } from './postgres-followed.ts';

const BARE = fileURLToPath(new URL('postgres-bare.ts', import.meta.url));
/** In turn, so that what else the machine does falls on all of them. */
const ROUNDS = 3;

interface Place {
  readonly addresses: BenchStack;
  readonly prefix: string;
  readonly rows: number;
  readonly round: number;
  readonly dir: string;
}

/** The sink beside the raw limit, a bare loop and the peer, Debezium's JDBC sink, on the same content in one run. */
export async function benchPostgresSink({ addresses, rows }: SinkBenchOptions): Promise<string> {
  const prefix = 'bench-postgres';
  const dir = await mkdtemp(join(tmpdir(), 'changeover-bench-'));
  try {
    await fillLog(addresses.kafka, prefix, rows, agentChange);
    const peer = await openPeer(addresses, { rows, topic: `${prefix}.peer`, dir });
    const limits: string[][] = [];
    const processes: string[][] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      for (const [what, work] of rawLimits(addresses.postgres, rows, round)) {
        const figure = await timed(what, work);
        limits.push([`${round}`, what, whole(perSecond(figure))]);
      }
      const place = { addresses, prefix, rows, round, dir };
      processes.push(rowOf(round, 'kafkajs → decode → guarded upsert → commit', rows, await bare(place)));
      processes.push(rowOf(round, '`changeover run`', rows, await ours(place)));
      for (const [index, settings] of PEER_SETTINGS.entries())
        processes.push(rowOf(round, settings.name, rows, await peer(settings, `peer_${round}_${index}`)));
    }
    return [
      `${whole(rows)} agents, guarded upsert by hand, ids and bodies made on the way:`,
      markdownTable(['round', 'raw limit', 'rows/s'], limits),
      'The same from the log, each a process of its own:',
      markdownTable(
        [
          'round',
          'process',
          'rows/s',
          'second half, rows/s',
          'with start, rows/s',
          'CPU s per million',
          'peak MB',
          'first row after, s',
        ],
        processes,
      ),
    ].join('\n\n');
  } finally {
    await rm(dir, { recursive: true });
  }
}

function rowOf(round: number, what: string, rows: number, run: Followed): string[] {
  const { firstSeconds, halfSeconds, seconds, cpu, megabytes } = run;
  return [
    `${round}`,
    what,
    whole(rows / (seconds - firstSeconds)),
    whole(rows / 2 / (seconds - halfSeconds)),
    whole(rows / seconds),
    ((cpu / rows) * 1e6).toFixed(1),
    whole(megabytes),
    firstSeconds.toFixed(2),
  ];
}

/** On the plain table, and on ours: its two further indexes and its check have their price, whoever writes. */
function rawLimits(
  address: PostgresAddress,
  rows: number,
  round: number,
): readonly (readonly [string, () => Promise<number>])[] {
  return [
    ['plain table, one connection', () => rawUpsertRows(address, rows)],
    ['plain table, two connections', () => rawUpsertRows(address, rows, 2)],
    ['our table, one connection', () => intoOurs(address, rows, `raw_one_${round}`, 1)],
    ['our table, two connections', () => intoOurs(address, rows, `raw_two_${round}`, 2)],
  ];
}

async function intoOurs(
  address: PostgresAddress,
  rows: number,
  schema: string,
  connections: number,
): Promise<number> {
  await prepare(address, schema);
  const table = `${schema}.agents_held`;
  const upsert = guardedUpsert(table).replace(
    '(id, type, active, attributes, version)\n    SELECT *',
    '(id, type, active, attributes, version, deleted)\n    SELECT *, false',
  );
  return rawUpsertRows(address, rows, connections, { table, upsert });
}

async function prepare(address: PostgresAddress, schema: string): Promise<void> {
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

async function bare({ addresses, prefix, rows, round }: Place): Promise<Followed> {
  const table = `bare_${round}`;
  const { url } = addresses.postgres;
  await execute(url, plainAgents(table));
  const group = `bare-${round}`;
  const args = [addresses.kafka.brokers[0] ?? '', topicOf(prefix, 'agent'), `${prefix}.${group}`, url, table];
  const start = () => spawn(process.execPath, [BARE, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  return followed(start, { address: addresses.kafka, prefix, group, rows, url, table });
}

/** The schema is there before, as after any first start. */
async function ours({ addresses, prefix, rows, round, dir }: Place): Promise<Followed> {
  const schema = `ours_${round}`;
  await prepare(addresses.postgres, schema);
  const configFile = join(dir, `round-${round}.yaml`);
  const { kafka, postgres } = addresses;
  const config = stackConfig(dir, { kafka, postgres });
  const target = { postgres: { ...(config.target as { postgres: object }).postgres, schema } };
  await writeFile(configFile, stringify({ ...config, prefix, target }), { mode: 0o600 });
  const start = () => startCommand(['--config', configFile, 'run', '--stores', 'postgres']);
  const { url } = postgres;
  const group = 'target.postgres';
  const table = `${schema}.agents_held`;
  const run = await followed(start, { address: kafka, prefix, group, rows, url, table });
  await forgetGroup(kafka, `${prefix}.${group}`);
  return run;
}

/** A group is named for its store; the next round begins at the beginning again. */
async function forgetGroup({ brokers }: KafkaAddress, group: string): Promise<void> {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await admin.deleteGroups([group]);
  } finally {
    await admin.disconnect();
  }
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
