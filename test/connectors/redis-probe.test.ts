import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChangeoverError } from '../../core/errors.ts';
import { bulk, healthyBut, info, withOpened } from './redis-fake-server.ts';
import { redisPlace } from './redis-support.ts';

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
