import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Store } from '../../connectors/connector.ts';
import { ChangeoverError, exitCodeOf } from '../../core/errors.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';
import { type Answer, bulk, fakeRedis, info, OK } from './redis-fake-server.ts';
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

async function withFake(
  answer: Answer,
  work: (given: { host: string; port: number }) => Promise<void>,
): Promise<void> {
  const fake = await fakeRedis(answer);
  try {
    await work({ host: fake.host, port: fake.port });
  } finally {
    fake.close();
  }
}

/** A healthy server but for what `special` answers. */
function healthyBut(special: Answer): Answer {
  return (command) => special(command) ?? (command[0] === 'info' ? info({}) : OK);
}

async function withOpened(answer: Answer, work: (store: Store) => Promise<void>): Promise<void> {
  await withFake(answer, async (given) => {
    const store = await openStore(redisOptions({ ...given, attempts: 1, commandTimeoutMs: 300 }));
    try {
      await work(store);
    } finally {
      await store.close();
    }
  });
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

describe('the probe of Redis', () => {
  const without = async (fields: Readonly<Record<string, string>>) => {
    const failed: string[] = [];
    const answer = healthyBut(([name]) =>
      name === 'info' ? info(fields) : name === 'evalsha' ? '$-1\r\n' : undefined,
    );
    await withOpened(answer, async (store) => {
      const results = await store.probe.check();
      failed.push(...results.filter(({ ok, fix }) => !ok && fix !== undefined).map(({ check }) => check));
    });
    return failed;
  };
  const healthy = {
    aof_enabled: '1',
    maxmemory: '0',
    maxmemory_policy: 'allkeys-lru',
    used_memory: '1000000',
  };

  it('finds a server without an append-only file, with eviction, nearly full, or that cannot write', async () => {
    assert.deepEqual(await without(healthy), []);
    assert.deepEqual(await without({ ...healthy, aof_enabled: '0' }), ['durable']);
    assert.deepEqual(await without({ ...healthy, maxmemory: '9000000' }), ['eviction']);
    assert.deepEqual(await without({ ...healthy, maxmemory: '1000001', maxmemory_policy: 'noeviction' }), [
      'memory',
    ]);
    assert.deepEqual(await without({ ...healthy, role: 'slave' }), ['primary']);
    assert.deepEqual(await without({ ...healthy, aof_last_write_status: 'err' }), ['writable']);
  });

  it('answers with one row when the server is gone', async () => {
    let gone = false;
    await withOpened(
      (command) => (gone ? undefined : command[0] === 'info' ? info({}) : bulk('')),
      async (store) => {
        gone = true;
        const results = await store.probe.check();
        assert.deepEqual(
          results.map(({ check, ok }) => [check, ok]),
          [['reachable', false]],
        );
      },
    );
  });
});

describe('the marks of the roles in Redis', () => {
  it('keep a legacy store and a target from each other’s keys', async () => {
    const place = redisPlace();
    const legacy = await place.open('legacy');
    const target = await place.open('target');
    try {
      await Promise.all([legacy.prepare(), legacy.prepare()]);
      await assert.rejects(target.prepare(), (error: ChangeoverError) => {
        assert.deepEqual([error.code, error.exitCode], ['conflict', 12]);
        assert.match(
          error.message,
          /belong to legacy\.redis, a legacy store; target\.redis is a target store\.$/,
        );
        return true;
      });
      const marks = (await target.probe.check()).find(({ check }) => check === 'marks');
      assert.deepEqual([marks?.ok, marks?.detail.includes('legacy.redis')], [false, true]);
      await legacy.prepare();
    } finally {
      await Promise.all([legacy.close(), target.close()]);
      await place.remove();
    }
  });

  it('meet also where only some keys are the same, or only the bookkeeping', async () => {
    const place = redisPlace();
    const legacy = await place.open('legacy');
    await legacy.prepare();
    await legacy.close();
    const { prefix } = place;
    const own = { agent: `${prefix}2:agent:{id}`, qValues: `${prefix}2:q:{id}`, policy: `${prefix}2:p:{id}` };
    const apart = { ...own, namedPolicies: `${prefix}2:n:{id}`, experiences: `${prefix}2:e:{id}` };
    const bookkeepingPrefix = `${prefix}2:changeover:`;
    const prepares = async (given: object) => {
      const store = await place.open('target', given);
      try {
        return await store.prepare().then(
          () => 'prepared',
          (error: ChangeoverError) => error.code,
        );
      } finally {
        await store.close();
      }
    };
    assert.equal(
      await prepares({ keys: { ...apart, agent: `${prefix}agent:{id}` }, bookkeepingPrefix }),
      'conflict',
    );
    assert.equal(
      await prepares({ keys: { ...apart, agent: `${prefix}agent:x{id}` }, bookkeepingPrefix }),
      'conflict',
    );
    assert.equal(await prepares({ keys: apart, bookkeepingPrefix: `${prefix}changeover:` }), 'conflict');
    assert.equal(await prepares({ keys: apart, bookkeepingPrefix }), 'prepared');
    await place.remove();
  });
});
