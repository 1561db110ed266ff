/** What the stack promises about starting and stopping, with the two servers that start in a second. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import pg from 'pg';
import { ChangeoverError, type ErrorCode } from '../../core/errors.ts';
import { LOOPBACK, type PostgresAddress, type RedisAddress } from '../../stack/addresses.ts';
import { openStack, type Stack, type StackProgress } from '../../stack/stack.ts';
import { processesOf } from '../support/processes.ts';

const FEW = ['redis', 'postgres'] as const;
type Few = (typeof FEW)[number];

/** Its servers and its folder are gone after the test. */
async function newStack(
  test: TestContext,
  options: Partial<Parameters<typeof openStack>[0]> = {},
): Promise<Stack<Few>> {
  // Not there yet: the stack makes it so that Postgres can reach it, whoever runs the tests.
  const dir = join(tmpdir(), `changeover-few-${randomUUID()}`);
  test.after(async () => {
    await (await openStack({ dir })).down();
    await rm(dir, { recursive: true, force: true });
  });
  return openStack({ dir, services: FEW, ...options });
}

async function pidsOf(stack: Stack<Few>): Promise<Record<string, number>> {
  const services = await stack.status();
  return Object.fromEntries(services.map(({ service, pids }) => [service, pids[0] ?? 0]));
}

async function statesOf(stack: Stack<Few>): Promise<Record<string, string>> {
  return Object.fromEntries((await stack.status()).map(({ service, state }) => [service, state]));
}

async function withRedis<T>(address: RedisAddress, work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(address.url, { lazyConnect: true });
  try {
    await client.connect();
    return await work(client);
  } finally {
    client.disconnect();
  }
}

async function query(address: PostgresAddress, text: string): Promise<readonly unknown[]> {
  const client = new pg.Client({ connectionString: address.url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

function withCode(code: ErrorCode, pattern = /./) {
  return (error: unknown) => {
    assert.ok(error instanceof ChangeoverError, String(error));
    assert.equal(error.code, code);
    assert.match(`${error.message}\n${error.hint}`, pattern);
    return true;
  };
}

/** A process of its own that starts the same stack, to be killed. */
function upElsewhere(dir: string, test: TestContext) {
  const script = `
    import { openStack } from '${fileURLToPath(new URL('../../stack/stack.ts', import.meta.url))}';
    const stack = await openStack({
      dir: ${JSON.stringify(dir)},
      services: ['redis', 'postgres'],
      onProgress: ({ service, message }) => console.log(service + ': ' + message),
    });
    await stack.up();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  test.after(() => child.kill('SIGKILL'));
  return child;
}

// Each has a folder and servers of its own.
describe('a stack', { concurrency: 3 }, () => {
  it('answers at its addresses, by password only, until it is stopped; then nothing of it is left', async (test) => {
    const stack = await newStack(test);
    const { redis, postgres } = await stack.up();
    assert.deepEqual(await stack.addresses(), { redis, postgres });
    assert.deepEqual(await statesOf(stack), { redis: 'ready', postgres: 'ready' });
    assert.equal(await withRedis(redis, (client) => client.ping()), 'PONG');
    assert.deepEqual(await query(postgres, "SELECT current_setting('fsync') AS fsync"), [{ fsync: 'on' }]);
    const wrong = new URL(postgres.url);
    wrong.password = 'wrong';
    await assert.rejects(
      query({ ...postgres, url: wrong.href }, 'SELECT 1'),
      /password authentication failed/,
    );
    const stranger = new Redis({
      host: redis.host,
      port: redis.port,
      lazyConnect: true,
      retryStrategy: () => null,
    });
    const refusals: string[] = [];
    stranger.on('error', (error) => refusals.push(error.message));
    await assert.rejects(stranger.connect().then(() => stranger.get('key')));
    assert.match(refusals.join(), /NOAUTH/);
    const [status] = await stack.status();
    assert.ok(status !== undefined && status.residentBytes > 1e6 && (status.uptimeMs ?? 0) > 0);

    await stack.down();
    assert.deepEqual(processesOf(stack.dir), []);
    assert.deepEqual(await statesOf(stack), { redis: 'stopped', postgres: 'stopped' });
    await stack.down();
  });

  it('that runs is left alone by another up', async (test) => {
    const progress: StackProgress[] = [];
    const stack = await newStack(test, { onProgress: (line) => progress.push(line) });
    const addresses = await stack.up();
    const pids = await pidsOf(stack);
    progress.length = 0;
    assert.deepEqual(await stack.up(), addresses);
    assert.deepEqual(await pidsOf(stack), pids);
    assert.deepEqual(
      progress.map(({ message }) => message),
      ['runs already', 'runs already'],
    );
  });

  it('of which one service died gets that one back, and only that one', async (test) => {
    const stack = await newStack(test);
    const { redis } = await stack.up();
    await withRedis(redis, (client) => client.set('key', 'value'));
    const before = await pidsOf(stack);
    process.kill(before.redis ?? 0, 'SIGKILL');
    while ((await statesOf(stack)).redis !== 'dead');
    const again = await stack.up();
    const after = await pidsOf(stack);
    assert.equal(after.postgres, before.postgres);
    assert.notEqual(after.redis, before.redis);
    assert.equal(await withRedis(again.redis, (client) => client.get('key')), 'value');
  });

  it('keeps its ports, except for one that somebody else has taken', async (test) => {
    const stack = await newStack(test);
    const first = await stack.up();
    await stack.down();
    const squatter = createServer();
    test.after(() => squatter.close());
    squatter.listen(first.redis.port, LOOPBACK);
    await once(squatter, 'listening');
    const second = await stack.up();
    assert.deepEqual(second.postgres, first.postgres);
    assert.notEqual(second.redis.port, first.redis.port);
    assert.equal(second.redis.password, first.redis.password);
  });

  it('runs beside another one', async (test) => {
    const [one, two] = [await newStack(test), await newStack(test)];
    const [first, second] = await Promise.all([one.up(), two.up()]);
    await withRedis(first.redis, (client) => client.set('key', 'first'));
    assert.equal(await withRedis(second.redis, (client) => client.get('key')), null);
    await one.down();
    assert.deepEqual(await query(second.postgres, 'SELECT 1 AS one'), [{ one: 1 }]);
  });

  it('is started once by two who start it at the same time', async (test) => {
    const waits: string[] = [];
    const one = await newStack(test);
    const two = await openStack({
      dir: one.dir,
      services: FEW,
      onProgress: ({ message }) => waits.push(message),
    });
    const [first, second] = await Promise.all([one.up(), two.up()]);
    assert.deepEqual(second, first);
    assert.match(waits[0] ?? '', new RegExp(`^waiting for another process \\(pid ${process.pid}\\)`));
    assert.deepEqual(waits.slice(1), ['runs already', 'runs already']);
  });

  for (const moment of ['postgres: starting', 'postgres: ready']) {
    it(`whose up was killed at "${moment}" can be stopped, and started`, async (test) => {
      const stack = await newStack(test);
      const killed = upElsewhere(stack.dir, test);
      let said = '';
      for await (const chunk of killed.stdout) {
        said += chunk;
        if (said.includes(moment)) killed.kill('SIGKILL');
      }
      const { postgres } = await stack.up();
      assert.deepEqual(await query(postgres, 'SELECT 1 AS one'), [{ one: 1 }]);
      await stack.down();
      assert.deepEqual(processesOf(stack.dir), []);
    });
  }

  it('whose up is aborted is not running', async (test) => {
    const abort = new AbortController();
    const onProgress = ({ message }: StackProgress) => {
      if (message === 'starting') setImmediate(() => abort.abort());
    };
    const stack = await newStack(test, { onProgress, signal: abort.signal });
    await assert.rejects(stack.up(), withCode('aborted'));
    assert.deepEqual(processesOf(stack.dir), []);
  });

  it('that cannot start says why, and leaves running what ran before, and only that', async (test) => {
    const stack = await newStack(test);
    await stack.up();
    const { postgres } = await pidsOf(stack);
    process.kill((await pidsOf(stack)).redis ?? 0, 'SIGKILL');
    const [manifest] = readdirSync(join(stack.dir, 'redis/appendonlydir')).filter((name) =>
      name.endsWith('.manifest'),
    );
    writeFileSync(join(stack.dir, 'redis/appendonlydir', manifest ?? ''), 'damaged\n');
    await assert.rejects(
      stack.up(),
      withCode('unreachable', /^redis ended while starting.*redis\.log; last lines:.*manifest/s),
    );
    assert.deepEqual(await statesOf(stack), { redis: 'stopped', postgres: 'ready' });
    assert.equal((await pidsOf(stack)).postgres, postgres);
  });

  it('on a full disk says that the disk is full', {
    skip: process.getuid?.() !== 0 && 'only root may mount',
  }, async (test) => {
    const disk = await mkdtemp(join(tmpdir(), 'changeover-disk-'));
    const mount = (command: string, ...args: string[]) =>
      once(spawn(command, args, { stdio: 'inherit' }), 'exit');
    const [code] = await mount('mount', '-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', disk);
    if (code !== 0) {
      await rm(disk, { recursive: true });
      return test.skip('mounting is not permitted');
    }
    test.after(async () => {
      await mount('umount', disk);
      await rm(disk, { recursive: true });
    });
    const stack = await openStack({ dir: join(disk, 'stack'), services: FEW });
    await assert.rejects(stack.up(), withCode('no-space', /^postgres .* the disk is full/));
    assert.deepEqual(processesOf(stack.dir), []);
  });

  it('names every program that is missing, and how to install it', async (test) => {
    const empty = await mkdtemp(join(tmpdir(), 'changeover-cache-'));
    test.after(() => rm(empty, { recursive: true, force: true }));
    const stack = await newStack(test, {
      services: ['kafka', 'milvus', 'redis'],
      cacheDir: empty,
      env: { PATH: '/nonexistent' },
    });
    const hints = ['openjdk-17-jre-headless maven', 'util-linux', 'redis-server'].map(
      (name) => `apt-get install ${name}`,
    );
    await assert.rejects(stack.up(), withCode('not-installed', new RegExp(hints.join('.*'), 's')));
    assert.deepEqual(processesOf(stack.dir), []);
  });

  it('needs the network once only, and says so when there is none', async (test) => {
    const folder = await mkdtemp(join(tmpdir(), 'changeover-offline-'));
    test.after(() => rm(folder, { recursive: true, force: true }));
    for (const program of ['mvn', 'python3', 'npm', 'apt-get']) {
      await writeFile(join(folder, program), '#!/bin/sh\necho "host not found"; exit 1\n', { mode: 0o755 });
    }
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` };
    const first = await newStack(test, { services: ['kafka'], cacheDir: join(folder, 'cache'), env });
    await assert.rejects(
      first.up(),
      withCode('unreachable', /Kafka .* could not be downloaded.*host not found.*Check the network/s),
    );
    assert.deepEqual(processesOf(first.dir), []);

    // This fills the cache, if an earlier run has not.
    await (await newStack(test)).up();
    await (await newStack(test, { env })).up();
  });

  it('is reset to nothing, but never more than it made', async (test) => {
    const stack = await newStack(test);
    const first = await stack.up();
    await writeFile(join(stack.dir, 'notes.txt'), 'mine');
    await stack.reset();
    assert.deepEqual(readdirSync(stack.dir).sort(), ['notes.txt', 'state.json']);
    const second = await stack.up();
    assert.notEqual(second.redis.password, first.redis.password);
    await rm(join(stack.dir, 'notes.txt'));
    await stack.reset();
    assert.equal(existsSync(stack.dir), false);
  });

  it('keeps its passwords from other users', async (test) => {
    const stack = await newStack(test);
    const { redis } = await stack.up();
    const open: string[] = [];
    for (const entry of readdirSync(stack.dir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      if (readFileSync(path).includes(redis.password)) open.push(path);
    }
    assert.deepEqual(open.sort(), [join(stack.dir, 'redis/redis.conf'), join(stack.dir, 'state.json')]);
    const stranger = spawn('setpriv', ['--reuid=65534', '--clear-groups', 'cat', ...open], {
      stdio: 'ignore',
    });
    const [code] = await once(stranger, 'exit');
    assert.equal(code, 1);
  });

  it('shows the log of a service', async (test) => {
    const stack = await newStack(test);
    await stack.up();
    const lines = await Array.fromAsync(stack.logs('postgres', { lines: 1000 }));
    assert.match(lines.join('\n'), /database system is ready to accept connections/);
  });
});
