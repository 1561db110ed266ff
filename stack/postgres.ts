/** PostgreSQL, as durable as it is by default (fsync on), with password authentication. */
import { existsSync, readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { LOOPBACK } from './addresses.ts';
import { findPostgres, type PostgresProgram } from './postgres-install.ts';
import { type OrdinaryUser, ordinaryUser } from './postgres-user.ts';
import { newUnfinishedFolder, runPreparation } from './preparation.ts';
import { ANSWER_MS, CLOSE_MS, CONNECT_MS, within } from './probe.ts';
import { launch } from './process.ts';
import type { Machine, ServiceHome, StackService } from './service.ts';

type Port = 'client';

const USER = 'postgres';
const DATABASE = 'changeover';
const DATA = 'data';
/** Those of docker-compose.yml, too: a test compares them. */
export const POSTGRES_SETTINGS = { max_connections: 200 } as const;

export const postgres: StackService<'postgres', Port> = {
  name: 'postgres',
  portNames: ['client'],
  processes: [
    {
      name: 'postgres',
      stopSignal: 'SIGINT',
      graceMs: 30_000,
      children: { executable: 'postgres', workingDir: DATA },
    },
  ],
  readyWithinMs: 120_000,

  async install(machine, home) {
    const program = await findPostgres(machine, majorOf(home));
    const { env } = machine.programs;
    return async () => {
      const become = await ordinaryUser(machine.programs, home.dir);
      await initialise(machine, home, program, become);
      // Its process is known to be gone; the pid in this file may belong to somebody else by now.
      await rm(join(home.dir, DATA, 'postmaster.pid'), { force: true });
      await launch({
        home,
        process: 'postgres',
        command: '/usr/bin/env',
        args: [...become.command, join(program.binDir, 'postgres'), ...serverArgs(home)],
        env,
        cwd: home.dir,
      });
    };
  },

  async ready(home) {
    try {
      await answers(home, DATABASE);
    } catch (error) {
      // 3D000: no such database; the first start makes it.
      if (!(error instanceof pg.DatabaseError && error.code === '3D000')) throw error;
      await answers(home, 'postgres', `CREATE DATABASE ${DATABASE}`);
      await answers(home, DATABASE);
    }
  },

  address(home) {
    const { client: port } = home.ports;
    return {
      host: LOOPBACK,
      port,
      user: USER,
      password: home.secret,
      database: DATABASE,
      url: `postgres://${USER}:${home.secret}@${LOOPBACK}:${port}/${DATABASE}`,
    };
  },
};

/** The major version that the data was made by; another one refuses it. Undefined before the first start. */
function majorOf(home: ServiceHome<Port>): number | undefined {
  const file = join(home.dir, DATA, 'PG_VERSION');
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'latin1'), 10) : undefined;
}

/** Makes the database cluster, once. It appears complete or not at all. */
async function initialise(
  machine: Machine,
  home: ServiceHome<Port>,
  program: PostgresProgram,
  become: OrdinaryUser,
): Promise<void> {
  const data = join(home.dir, DATA);
  if (existsSync(data)) return;
  const unfinished = await newUnfinishedFolder(home.dir);
  const passwordFile = `${unfinished}.password`;
  await writeFile(passwordFile, home.secret, { mode: 0o600 });
  await become.own(unfinished);
  await become.own(passwordFile);
  await runPreparation('postgres', machine, home, [
    '/usr/bin/env',
    ...become.command,
    join(program.binDir, 'initdb'),
    `--pgdata=${unfinished}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    // Hundreds of files: minutes on a busy disk. The kernel writes them within half a minute; a kill loses nothing.
    '--no-sync',
  ]);
  await rm(passwordFile);
  await rename(unfinished, data);
}

function serverArgs(home: ServiceHome<Port>): readonly string[] {
  const settings = [
    `port=${home.ports.client}`,
    `listen_addresses=${LOOPBACK}`,
    'unix_socket_directories=',
    ...Object.entries(POSTGRES_SETTINGS).map(([name, value]) => `${name}=${value}`),
  ];
  return ['-D', join(home.dir, DATA), ...settings.flatMap((setting) => ['-c', setting])];
}

async function answers(home: ServiceHome<Port>, database: string, statement = 'SELECT 1'): Promise<void> {
  const client = new pg.Client({
    host: LOOPBACK,
    port: home.ports.client,
    user: USER,
    password: home.secret,
    database,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: ANSWER_MS,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(statement);
  } finally {
    await within(CLOSE_MS, client.end()).catch(() => undefined);
  }
}
