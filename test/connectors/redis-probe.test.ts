import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ProbeResult } from '../../connectors/connector.ts';
import { MARKS_KEY } from '../../connectors/redis/options.ts';
import type { ChangeoverError } from '../../core/errors.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { bulk, healthyBut, info, withFake, withOpened } from './redis-fake-server.ts';
import { experienceText, openStore, redisOptions, redisPlace, V, withStore } from './redis-support.ts';

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

  it('says what a crash can lose, which is for appendfsync to say', async () => {
    const durable = async (answered: string) => {
      const answer = healthyBut(([name, , option]) => {
        if (name === 'info') return info(healthy);
        if (name === 'evalsha') return '$-1\r\n';
        return name?.toLowerCase() === 'config' && option === 'appendfsync' ? answered : undefined;
      });
      let row: ProbeResult | undefined;
      await withOpened(answer, async (store) => {
        row = (await store.probe.check()).find(({ check }) => check === 'durable');
      });
      return row;
    };
    const set = (value: string) => `*2\r\n${bulk('appendfsync')}${bulk(value)}`;
    assert.deepEqual(await durable(set('always')), {
      check: 'durable',
      ok: true,
      detail: 'append-only file on, appendfsync always: what was confirmed is on disk',
    });
    const everySecond = await durable(set('everysec'));
    assert.equal(everySecond?.ok, true);
    assert.match(everySecond?.detail ?? '', /a crash can lose what was confirmed in the last two seconds/);
    const never = await durable(set('no'));
    assert.equal(never?.ok, false);
    assert.match(never?.fix ?? '', /appendfsync everysec/);
    for (const refused of ["-ERR unknown command 'CONFIG'\r\n", '-NOPERM no permissions\r\n', '*0\r\n']) {
      const unknown = await durable(refused);
      assert.equal(unknown?.ok, true);
      assert.match(unknown?.detail ?? '', /does not say how often/);
    }
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

describe('a target in Redis', () => {
  const conflict = (place: string) => (error: ChangeoverError) => {
    assert.deepEqual([error.code, error.exitCode], ['conflict', 12]);
    assert.match(error.message, /are in use: "[^"]+" is there, and Changeover did not write it\.$/);
    assert.ok(error.message.includes(place), error.message);
    assert.match(error.hint ?? '', /database of its own/);
    return true;
  };

  const LEGACY: Readonly<Record<string, (key: (rest: string) => string) => readonly string[]>> = {
    agent: (key) => ['hset', key('agent:ann'), 'name', 'Ann'],
    'Q-values': (key) => ['hset', key('q:ann'), 's|1', '{"value":1,"visits":1}'],
    policy: (key) => ['set', key('policy:ann'), '{"algorithm":"x"}'],
    'policy with a name': (key) => ['hset', key('policies:ann'), 'night', '{"algorithm":"x"}'],
    experiences: (key) => ['rpush', key('exp:ann'), experienceText('e', 1)],
  };
  for (const [what, command] of Object.entries(LEGACY)) {
    it(`does not take a Redis in which somebody keeps ${what}, though it has no mark`, () =>
      withStore('target', async (place, store) => {
        const [name = '', key = '', ...rest] = command((text) => place.prefix + text);
        await place.redis.call(name, key, ...rest);
        await assert.rejects(store.prepare(), conflict(key));
        const marks = (await store.probe.check()).find(({ check }) => check === 'marks');
        assert.deepEqual([marks?.ok, marks?.detail.includes(key)], [false, true]);
        assert.deepEqual(
          (await place.redis.hkeys(MARKS_KEY)).filter((mark) => mark.startsWith(place.prefix)),
          [],
        );
        const legacy = await place.open('legacy');
        await legacy.prepare();
        await legacy.close();
      })());
  }

  it(
    'is prepared again over what it wrote, also where its mark was lost, and beside keys of others',
    withStore('target', async ({ redis, prefix }, store) => {
      await redis.set(`${prefix}session:1`, 'x');
      await store.prepare();
      await store.sink.apply([upsert('agent', sampleEntity('agent', { name: 'ours' }), V)]);
      const marks = (await redis.hkeys(MARKS_KEY)).filter((mark) => mark.startsWith(prefix));
      assert.equal(marks.length, 6);
      await redis.hdel(MARKS_KEY, ...marks);
      await store.prepare();
      await redis.set(`${prefix}policy:ann`, '{"algorithm":"x"}');
      await store.prepare();
      await redis.hdel(MARKS_KEY, ...marks);
      await assert.rejects(store.prepare(), conflict(`${prefix}policy:ann`));
    }),
  );

  it('looks at a bounded number of keys', async () => {
    let scans = 0;
    const answer = healthyBut(([name]) => {
      if (name === 'evalsha') return '$-1\r\n';
      if (name === 'hmget') return `*5\r\n${'$-1\r\n'.repeat(5)}`;
      if (name !== 'scan') return undefined;
      scans++;
      return '*2\r\n$1\r\n7\r\n*1\r\n$7\r\nsession\r\n';
    });
    await withFake(answer, async (given) => {
      const store = await openStore(redisOptions(given), 'target');
      await store.prepare();
      await store.close();
    });
    assert.equal(scans, 1_000);
  });
});
