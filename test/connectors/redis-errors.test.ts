import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ChangeoverError, exitCodeOf } from '../../core/errors.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';
import { type Answer, healthyBut, info, OK, withFake, withOpened } from './redis-fake-server.ts';
import { openStore, redisOptions, redisPlace } from './redis-support.ts';

const AGENT = upsert('agent', sampleEntity('agent', { name: 'a' }), 1);

/** The one error with which opening fails: one line, with what to do. */
async function openingFails(given: Parameters<typeof redisOptions>[0]): Promise<ChangeoverError> {
  const quick = { connectTimeoutMs: 500, commandTimeoutMs: 500, attempts: 1, ...given };
  try {
    const store = await openStore(redisOptions(quick));
    await store.close();
  } catch (error) {
    assert.ok(error instanceof ChangeoverError, String(error));
    assert.doesNotMatch(error.message, /\n/);
    assert.ok(error.hint);
    return error;
  }
  return assert.fail('it opened');
}

describe('opening Redis', () => {
  const { host, port, password } = testStack().redis;

  it('says that nobody answers', async () => {
    const error = await openingFails({ port: 1 });
    assert.deepEqual([error.code, error.retryable, exitCodeOf(error)], ['unreachable', true, 6]);
    assert.match(error.message, /^Redis at 127\.0\.0\.1:1\/0 does not answer: .*ECONNREFUSED/);
    assert.equal((await openingFails({ host: 'no-such-host.invalid' })).code, 'unreachable');
  });

  it('says that the password is wrong or missing, and never repeats it', async () => {
    const wrong = await openingFails({ host, port, password: 'sesame' });
    assert.deepEqual([wrong.code, wrong.retryable, exitCodeOf(wrong)], ['unauthenticated', false, 7]);
    assert.doesNotMatch(JSON.stringify([wrong, wrong.cause, Object.entries(wrong.cause ?? {})]), /sesame/);
    assert.equal((await openingFails({ host, port })).code, 'unauthenticated');
    assert.equal((await openingFails({ host, port, username: 'nobody', password })).code, 'unauthenticated');
  });

  it('says that there is no such database, instead of going on in database 0', async () => {
    const error = await openingFails({ host, port, password, db: 9_999 });
    assert.equal(error.code, 'mismatch');
    assert.match(error.message, /has no such database/);
  });

  it('says that the server is too old, or a cluster', async () => {
    await withFake(
      healthyBut(([name]) => (name === 'info' ? info({ redis_version: '5.0.14' }) : undefined)),
      async (given) => {
        const error = await openingFails(given);
        assert.deepEqual([error.code, exitCodeOf(error)], ['unsupported', 8]);
        assert.match(error.message, /is version 5\.0\.14/);
      },
    );
    await withFake(
      healthyBut(([name]) => (name === 'info' ? info({ redis_mode: 'cluster' }) : undefined)),
      async (given) => {
        assert.match((await openingFails(given)).message, /is a node of a Redis Cluster/);
      },
    );
    await withFake(
      healthyBut(([name]) => (name === 'info' ? info({ redis_version: '10.0.0' }) : undefined)),
      async (given) => {
        await (await openStore(redisOptions(given))).close();
      },
    );
  });

  it('waits no longer than it is told for a server that accepts and says nothing', async () => {
    await withFake(
      () => undefined,
      async (given) => {
        const error = await openingFails({ ...given, commandTimeoutMs: 100 });
        assert.deepEqual([error.code, error.retryable], ['timeout', true]);
      },
    );
  });

  it('says that the other side does not speak TLS', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).end('-ERR what?\r\n'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port: plainPort } = server.address() as AddressInfo;
    const error = await openingFails({ port: plainPort, tls: true }).finally(() => server.close());
    assert.deepEqual([error.code, exitCodeOf(error)], ['config', 2], error.message);
    // Redis itself waits for the rest of what it takes for a command.
    const silent = await openingFails({ host, port, password, tls: true });
    assert.match(silent.hint ?? '', /tls/);
  });

  it('says that the server is still loading', async () => {
    const loading = '-LOADING Redis is loading the dataset in memory\r\n';
    await withFake(
      healthyBut(([name]) => (name === 'info' ? loading : undefined)),
      async (given) => {
        const error = await openingFails(given);
        assert.deepEqual([error.code, error.retryable], ['unreachable', true]);
      },
    );
  });
});

describe('working with Redis', () => {
  const cases: readonly (readonly [answer: string, code: string, retryable: boolean])[] = [
    ["-OOM command not allowed when used memory > 'maxmemory'.", 'no-space', true],
    ['-MISCONF Errors writing to the AOF file: No space left on device', 'no-space', true],
    ["-READONLY You can't write against a read only replica.", 'mismatch', true],
    ['-NOPERM this user has no permissions to run the eval command', 'forbidden', false],
    ['-BUSY Redis is busy running a script.', 'timeout', true],
    ['-MOVED 3999 127.0.0.1:6381', 'unsupported', false],
    ['-MASTERDOWN Link with MASTER is down', 'unreachable', true],
    ['-ERR something that nobody foresaw', 'internal', false],
  ];
  for (const [answer, code, retryable] of cases) {
    it(`says ${code} when the server says ${answer.slice(1, 12)}…`, async () => {
      await withOpened(
        healthyBut(([name]) => (name === 'evalsha' ? `${answer}\r\n` : undefined)),
        async (store) => {
          await assert.rejects(store.sink.apply([AGENT]), { code, retryable });
        },
      );
    });
  }

  it('gives up on an answer that does not come, and works on when answers come again', async () => {
    let answers = false;
    const answer: Answer = ([name]) => {
      if (name === 'info') return info({});
      if (name !== 'evalsha') return OK;
      return answers ? '*1\r\n$5\r\nstale\r\n' : undefined;
    };
    await withOpened(answer, async (store) => {
      await assert.rejects(store.sink.apply([AGENT]), { code: 'timeout', retryable: true });
      answers = true;
      // The connection on which nothing came is given up and made again.
      await setTimeout(1_500);
      assert.deepEqual(await store.sink.apply([AGENT]), [{ status: 'stale' }]);
    });
  });

  it('says so when it was closed', async () => {
    const place = redisPlace();
    const store = await place.open();
    await store.close();
    await store.close();
    await assert.rejects(store.sink.apply([AGENT]), { code: 'aborted' });
    await place.remove();
  });

  it('names the right that is missing, for a user who may only read, and reads for that user', async () => {
    const place = redisPlace();
    const user = uniqueName('reader');
    await place.redis.acl(
      'SETUSER',
      user,
      'on',
      '>secret',
      `~${place.prefix}*`,
      '~changeover:places',
      '+@read',
      '+@connection',
      '+info',
      '+eval',
      '+evalsha',
    );
    const { host, port } = testStack().redis;
    const store = await openStore({
      ...place.options,
      url: undefined,
      host,
      port,
      username: user,
      password: 'secret',
    });
    try {
      await place.redis.hset(`${place.prefix}agent:a`, 'id', 'a');
      assert.equal(await store.source.count('agent'), 1);
      assert.equal((await store.source.get('agent', ['a']))[0]?.entity?.id, 'a');
      await assert.rejects(store.sink.apply([AGENT]), { code: 'forbidden' });
      const permissions = (await store.probe.check()).find(({ check }) => check === 'permissions');
      assert.equal(permissions?.ok, false);
      assert.match(permissions?.detail ?? '', /refuses the right/);
    } finally {
      await store.close();
      await place.redis.acl('DELUSER', user);
      await place.remove();
    }
  });
});
