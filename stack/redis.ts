/** Redis with an append-only file: what it acknowledged is there again after a kill -9. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { LOOPBACK } from './addresses.ts';
import { ANSWER_MS, CONNECT_MS, within } from './probe.ts';
import { launch } from './process.ts';
import { findRedis } from './redis-install.ts';
import type { ServiceHome, StackService } from './service.ts';

type Port = 'client';

/** Those of docker-compose.yml, too: a test compares them. */
export const REDIS_SETTINGS = { appendonly: 'yes', save: '""' } as const;

export const redis: StackService<'redis', Port> = {
  name: 'redis',
  portNames: ['client'],
  processes: [{ name: 'redis', stopSignal: 'SIGTERM', graceMs: 30_000 }],
  readyWithinMs: 120_000,

  async install(machine, home) {
    const program = await findRedis(machine);
    return async () => {
      const configFile = join(home.dir, 'redis.conf');
      await writeFile(configFile, config(home), { mode: 0o600 });
      await launch({
        home,
        process: 'redis',
        command: program.command,
        args: [configFile],
        env: { ...machine.programs.env, ...program.env },
        cwd: home.dir,
      });
    };
  },

  async ready(home) {
    const client = new Redis({
      host: LOOPBACK,
      port: home.ports.client,
      password: home.secret,
      lazyConnect: true,
      connectTimeout: CONNECT_MS,
      commandTimeout: CONNECT_MS,
      retryStrategy: () => null,
    });
    client.on('error', () => undefined);
    try {
      // A server that still loads its file accepts the connection and answers LOADING.
      await within(
        ANSWER_MS,
        client.connect().then(() => client.ping()),
      );
    } finally {
      client.disconnect();
    }
  },

  address(home) {
    const { client: port } = home.ports;
    return {
      url: `redis://:${home.secret}@${LOOPBACK}:${port}/0`,
      host: LOOPBACK,
      port,
      password: home.secret,
    };
  },
};

/** A file, because arguments are visible to everybody on the machine. */
function config(home: ServiceHome<Port>): string {
  return [
    `bind ${LOOPBACK}`,
    `port ${home.ports.client}`,
    `requirepass ${home.secret}`,
    `dir ${JSON.stringify(home.dir)}`,
    'daemonize no',
    ...Object.entries(REDIS_SETTINGS).map(([name, value]) => `${name} ${value}`),
    // Keeps the environment readable, by which the children of this server are known.
    'set-proc-title no',
    '',
  ].join('\n');
}
