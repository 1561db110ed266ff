import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KafkaAddress, PostgresAddress } from '../../stack/addresses.ts';
import { PEER_SCHEMAS } from './peer-content.ts';
import type { PeerProgram } from './peer-install.ts';

export interface PeerSettings {
  /** Words for the report. */
  readonly name: string;
  readonly tasks: number;
  readonly batchRows: number;
  /** One statement with an array for each column, or JDBC's batches. */
  readonly unnest: boolean;
  /** How much a fetch waits for. */
  readonly fetchMinBytes: number;
}

export interface PeerPlace {
  readonly program: PeerProgram;
  readonly kafka: KafkaAddress;
  readonly postgres: PostgresAddress;
  readonly topic: string;
  readonly table: string;
  /** For its configuration and its offsets; a folder for each worker. */
  readonly dir: string;
}

/** Kafka's own script has 256 MB to 2 GB. */
const HEAP = ['-Xms256m', '-Xmx2g'];

const JSON_CONVERTER = 'org.apache.kafka.connect.json.JsonConverter';

const LOGGING = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %p %c{1}: %m%n
rootLogger.level = error
rootLogger.appenderRef.console.ref = console
`;

/** Writes its configuration; starts nothing yet. */
export async function preparePeer(place: PeerPlace, settings: PeerSettings): Promise<() => ChildProcess> {
  const { program, dir } = place;
  const [worker, connector, logging] = ['worker.properties', 'sink.properties', 'log4j2.properties'].map(
    (name) => join(dir, name),
  ) as [string, string, string];
  // It may hold the server's password.
  await writeFile(worker, properties(workerProperties(place)), { mode: 0o600 });
  await writeFile(connector, properties(sinkProperties(place, settings)), { mode: 0o600 });
  await writeFile(logging, LOGGING);
  const args = [
    ...HEAP,
    `-Dlog4j2.configurationFile=${logging}`,
    '-cp',
    program.classPath,
    'org.apache.kafka.connect.cli.ConnectStandalone',
    worker,
    connector,
  ];
  return () => spawn(program.java, args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
}

/** REST listens on loopback, at a port that the system picks. Plugins are found by their service files: that starts fastest. */
function workerProperties({ kafka, dir }: PeerPlace): Readonly<Record<string, string | number | boolean>> {
  return {
    'bootstrap.servers': kafka.brokers.join(','),
    listeners: 'http://127.0.0.1:0',
    'plugin.discovery': 'service_load',
    'key.converter': JSON_CONVERTER,
    'key.converter.schema.content': PEER_SCHEMAS.key,
    'value.converter': JSON_CONVERTER,
    'value.converter.schema.content': PEER_SCHEMAS.value,
    'offset.storage.file.filename': join(dir, 'offsets'),
    'connector.client.config.override.policy': 'All',
  };
}

function sinkProperties(
  { postgres, topic, table }: PeerPlace,
  { tasks, batchRows, unnest, fetchMinBytes }: PeerSettings,
): Readonly<Record<string, string | number | boolean>> {
  const { host, port, database, user, password } = postgres;
  return {
    // It is the group's name, too, which must be new for each run.
    name: table,
    'connector.class': 'io.debezium.connector.jdbc.JdbcSinkConnector',
    'tasks.max': tasks,
    topics: topic,
    'connection.url': `jdbc:postgresql://${host}:${port}/${database}?reWriteBatchedInserts=true`,
    'connection.username': user,
    'connection.password': password,
    'collection.name.format': table,
    'insert.mode': 'upsert',
    'primary.key.mode': 'record_key',
    'primary.key.fields': 'id',
    'schema.evolution': 'none',
    'batch.size': batchRows,
    'use.reduction.buffer': true,
    'dialect.postgres.unnest.insert.enabled': unnest,
    'consumer.override.auto.offset.reset': 'earliest',
    'consumer.override.max.poll.records': batchRows,
    'consumer.override.fetch.min.bytes': fetchMinBytes,
    'consumer.override.fetch.max.wait.ms': 50,
    'consumer.override.max.partition.fetch.bytes': 4_000_000,
    'consumer.override.fetch.max.bytes': 50_000_000,
  };
}

function properties(settings: Readonly<Record<string, string | number | boolean>>): string {
  const lines = Object.entries(settings).map(
    ([name, value]) => `${name}=${String(value).replaceAll('\\', '\\\\')}`,
  );
  return `${lines.join('\n')}\n`;
}
