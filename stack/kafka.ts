/** One Kafka node in KRaft mode: broker and controller in one process. */
import { existsSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { LOOPBACK } from './addresses.ts';
import { requireJava } from './java.ts';
import { fetchJars } from './maven.ts';
import { newUnfinishedFolder, runPreparation } from './preparation.ts';
import { ANSWER_MS, CLOSE_MS, CONNECT_MS, within } from './probe.ts';
import { launch } from './process.ts';
import type { Machine, ServiceHome, StackService } from './service.ts';
import { VERSIONS } from './versions.ts';

type Port = 'client' | 'controller';

/** Any 16 bytes in base64url; Kafka wants it to be the same at every start. */
const CLUSTER_ID = 'Y2hhbmdlb3Zlci1zdGFjaw';
const NODE_ID = 1;
/** What a node of its own needs instead of the defaults. Those of docker-compose.yml, too: a test compares them. */
export const KAFKA_SETTINGS = {
  'auto.create.topics.enable': false,
  'group.initial.rebalance.delay.ms': 0,
  'offsets.topic.replication.factor': 1,
  'offsets.topic.num.partitions': 8,
  'transaction.state.log.replication.factor': 1,
  'transaction.state.log.min.isr': 1,
  'transaction.state.log.num.partitions': 8,
  'share.coordinator.state.topic.replication.factor': 1,
  'share.coordinator.state.topic.min.isr': 1,
  'share.coordinator.state.topic.num.partitions': 8,
} as const;
export const KAFKA_HEAP = ['-Xms256m', '-Xmx512m'] as const;
/** Looking for this group's coordinator creates the topic of committed offsets, so that no client waits for that. */
const WARM_UP_GROUP = 'changeover-stack-probe';

export const kafka: StackService<'kafka', Port> = {
  name: 'kafka',
  portNames: ['client', 'controller'],
  processes: [{ name: 'kafka', stopSignal: 'SIGTERM', graceMs: 30_000 }],
  readyWithinMs: 120_000,

  async install(machine, home) {
    const java = await requireJava(machine, 'Kafka');
    const dir = await machine.cache.entry(`kafka-${VERSIONS.kafka}`, (empty) =>
      fetchJars(machine, `Kafka ${VERSIONS.kafka}`, ARTIFACTS, empty),
    );
    const classPath = join(dir, 'libs/*');
    return async () => {
      await format(machine, java, classPath, home);
      const configFile = join(home.dir, 'server.properties');
      const logConfig = join(home.dir, 'log4j2.properties');
      await writeFile(configFile, serverProperties(home, dataDir(home)));
      await writeFile(logConfig, LOG_CONFIG);
      await launch({
        home,
        process: 'kafka',
        command: java,
        args: [
          ...KAFKA_HEAP,
          // Quick to start and no slower here: it moves bytes, and what it compiles twice costs more than that gains.
          '-XX:TieredStopAtLevel=1',
          '-XX:+UseSerialGC',
          `-Dlog4j2.configurationFile=${logConfig}`,
          '-cp',
          classPath,
          'kafka.Kafka',
          configFile,
        ],
        env: machine.programs.env,
        cwd: home.dir,
      });
    };
  },

  async ready(home) {
    const client = new Kafka({
      clientId: 'changeover-stack',
      brokers: [`${LOOPBACK}:${home.ports.client}`],
      logLevel: logLevel.NOTHING,
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      retry: { retries: 0 },
    });
    const admin = client.admin({ retry: { retries: 0 } });
    try {
      await within(
        ANSWER_MS,
        admin.connect().then(() => admin.describeCluster()),
      );
      await within(ANSWER_MS, admin.fetchOffsets({ groupId: WARM_UP_GROUP }));
    } finally {
      await within(CLOSE_MS, admin.disconnect()).catch(() => undefined);
    }
  },

  address: (home) => ({ brokers: [`${LOOPBACK}:${home.ports.client}`] }),
};

const ARTIFACTS = [
  { group: 'org.apache.kafka', artifact: 'kafka_2.13', version: VERSIONS.kafka },
  { group: 'org.apache.logging.log4j', artifact: 'log4j-slf4j-impl', version: VERSIONS.slf4jBinding },
];

function dataDir(home: ServiceHome<Port>): string {
  return join(home.dir, 'data');
}

/** Formats the log folder, once. It appears complete or not at all. */
async function format(
  machine: Machine,
  java: string,
  classPath: string,
  home: ServiceHome<Port>,
): Promise<void> {
  if (existsSync(dataDir(home))) return;
  const unfinished = await newUnfinishedFolder(home.dir);
  const configFile = `${unfinished}.properties`;
  await writeFile(configFile, serverProperties(home, unfinished));
  const tool = [java, '-Xmx128m', '-XX:TieredStopAtLevel=1', '-cp', classPath, 'kafka.tools.StorageTool'];
  await runPreparation('kafka', machine, home, [...tool, 'format', '-t', CLUSTER_ID, '-c', configFile]);
  await rm(configFile);
  await rename(unfinished, dataDir(home));
}

function serverProperties(home: ServiceHome<Port>, logDir: string): string {
  const { client, controller } = home.ports;
  return [
    'process.roles=broker,controller',
    `node.id=${NODE_ID}`,
    // Voters from this file, not from the log: the controller's port may change between starts.
    `controller.quorum.voters=${NODE_ID}@${LOOPBACK}:${controller}`,
    `listeners=PLAINTEXT://${LOOPBACK}:${client},CONTROLLER://${LOOPBACK}:${controller}`,
    `advertised.listeners=PLAINTEXT://${LOOPBACK}:${client}`,
    'controller.listener.names=CONTROLLER',
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    `log.dirs=${logDir.replaceAll('\\', '\\\\')}`,
    ...Object.entries(KAFKA_SETTINGS).map(([name, value]) => `${name}=${value}`),
    '',
  ].join('\n');
}

const LOG_CONFIG = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
`;
