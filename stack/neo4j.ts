/** Neo4j Community with APOC and its triggers. Two services of this kind can run side by side: Community has one database. */
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import neo4jDriver, { type Driver } from 'neo4j-driver';
import { systemCodeOf } from '../core/errors.ts';
import { LOOPBACK, type Neo4jAddress } from './addresses.ts';
import { requireJava } from './java.ts';
import { fetchJars } from './maven.ts';
import { ANSWER_MS, CONNECT_MS, within } from './probe.ts';
import { launch } from './process.ts';
import type { Machine, ServiceHome, StackService } from './service.ts';
import { VERSIONS } from './versions.ts';

type Port = 'bolt';
type Name = 'neo4j' | 'neo4j-legacy';

const USER = 'neo4j';
const DATABASE = 'neo4j';
const FIRST_PASSWORD = 'neo4j';

/** Those of docker-compose.yml, too: a test compares them. */
export const NEO4J_SETTINGS = {
  'server.memory.pagecache.size': '256m',
  'dbms.usage_report.enabled': false,
  'dbms.security.procedures.unrestricted': 'apoc.*',
  // 256 MiB of log ahead of time for each database is more than most stacks hold.
  'db.tx_log.preallocate': false,
  'db.tx_log.rotation.retention_policy': '1 hours 512M',
} as const;
export const APOC_SETTINGS = {
  'apoc.trigger.enabled': true,
  // A new trigger takes effect at the next refresh; the default is a minute.
  'apoc.trigger.refresh': 1000,
} as const;
export const NEO4J_HEAP = { initial: '256m', max: '1g' } as const;

const JVM_ARGS = [
  `-Xms${NEO4J_HEAP.initial}`,
  `-Xmx${NEO4J_HEAP.max}`,
  // For a heap this small and few processors it does the least work.
  '-XX:+UseSerialGC',
  '--add-opens=java.base/java.nio=ALL-UNNAMED',
  '--add-opens=java.base/java.io=ALL-UNNAMED',
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
  '--add-opens=java.base/java.util.concurrent=ALL-UNNAMED',
];

const ARTIFACTS = [
  { group: 'org.neo4j.app', artifact: 'neo4j-server', version: VERSIONS.neo4j },
  { group: 'org.neo4j', artifact: 'neo4j', version: VERSIONS.neo4j },
  { group: 'org.neo4j.procedure', artifact: 'apoc-core', version: VERSIONS.apoc },
  { group: 'org.neo4j.procedure', artifact: 'apoc-common', version: VERSIONS.apoc },
];

export function neo4jService<N extends Name>(name: N): StackService<N, Port> {
  return {
    name,
    portNames: ['bolt'],
    processes: [{ name, stopSignal: 'SIGTERM', graceMs: 60_000 }],
    readyWithinMs: 240_000,

    async install(machine, home) {
      const java = await requireJava(machine, 'Neo4j');
      const dir = await machine.cache.entry(`neo4j-${VERSIONS.neo4j}`, (empty) => fetch(machine, empty));
      return async () => {
        await writeConfig(home, join(dir, 'plugins'));
        await launch({
          home,
          process: name,
          command: java,
          args: [
            ...JVM_ARGS,
            '-cp',
            // APOC is a plug-in and must be on the class path as well, or the start fails on ApocConfig.
            `${join(dir, 'libs/*')}:${join(dir, 'plugins/*')}`,
            'org.neo4j.server.CommunityEntryPoint',
            // What it has to say goes to the log file of the service.
            '--console-mode',
            `--home-dir=${home.dir}`,
            `--config-dir=${join(home.dir, 'conf')}`,
          ],
          env: machine.programs.env,
          cwd: home.dir,
        });
      };
    },

    async ready(home) {
      const driver = connect(home, home.secret);
      try {
        await within(ANSWER_MS, answers(driver));
      } catch (error) {
        if (systemCodeOf(error) !== 'Neo.ClientError.Security.Unauthorized') throw error;
        await setPassword(home);
        await within(ANSWER_MS, answers(driver));
      } finally {
        await driver.close();
      }
    },

    address: (home): Neo4jAddress => ({
      url: `bolt://${LOOPBACK}:${home.ports.bolt}`,
      user: USER,
      password: home.secret,
      database: DATABASE,
    }),
  };
}

async function fetch(machine: Machine, dir: string): Promise<void> {
  await fetchJars(machine, `Neo4j ${VERSIONS.neo4j}`, ARTIFACTS, dir);
  await mkdir(join(dir, 'plugins'));
  for (const jar of await readdir(join(dir, 'libs'))) {
    if (jar.startsWith('apoc-')) await rename(join(dir, 'libs', jar), join(dir, 'plugins', jar));
  }
}

async function writeConfig(home: ServiceHome<Port>, plugins: string): Promise<void> {
  const conf = join(home.dir, 'conf');
  const listen = `${LOOPBACK}:${home.ports.bolt}`;
  await mkdir(conf, { recursive: true });
  await writeFile(
    join(conf, 'neo4j.conf'),
    [
      `server.default_listen_address=${LOOPBACK}`,
      `server.bolt.listen_address=${listen}`,
      `server.bolt.advertised_address=${listen}`,
      'server.http.enabled=false',
      'server.https.enabled=false',
      `server.directories.plugins=${plugins}`,
      ...linesOf(NEO4J_SETTINGS),
      '',
    ].join('\n'),
  );
  await writeFile(join(conf, 'apoc.conf'), [...linesOf(APOC_SETTINGS), ''].join('\n'));
}

function linesOf(settings: Readonly<Record<string, string | number | boolean>>): readonly string[] {
  return Object.entries(settings).map(([name, value]) => `${name}=${value}`);
}

function connect(home: ServiceHome<Port>, password: string): Driver {
  return neo4jDriver.driver(`bolt://${LOOPBACK}:${home.ports.bolt}`, neo4jDriver.auth.basic(USER, password), {
    connectionTimeout: CONNECT_MS,
    connectionAcquisitionTimeout: ANSWER_MS,
    maxTransactionRetryTime: 0,
    telemetryDisabled: true,
  });
}

/** Its database is online and APOC is loaded. */
async function answers(driver: Driver): Promise<void> {
  await driver.executeQuery('RETURN apoc.version()', {}, { database: DATABASE });
}

/** A new server has a well-known password that must be changed before anything else. */
async function setPassword(home: ServiceHome<Port>): Promise<void> {
  const driver = connect(home, FIRST_PASSWORD);
  try {
    await within(
      ANSWER_MS,
      driver.executeQuery(
        'ALTER CURRENT USER SET PASSWORD FROM $first TO $secret',
        { first: FIRST_PASSWORD, secret: home.secret },
        { database: 'system' },
      ),
    );
  } finally {
    await driver.close();
  }
}
