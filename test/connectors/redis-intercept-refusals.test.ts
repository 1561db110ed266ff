import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Redis } from 'ioredis';
import { ChangeoverError } from '../../core/errors.ts';
import { CAPTURE_TEST_MAX_BYTES } from '../contract/capture.ts';
import {
  assertCaptured,
  drainAll,
  fold,
  type Intercepted,
  lines,
  withIntercepted,
} from './redis-intercept-support.ts';
import { experienceText } from './redis-support.ts';

function hasCode(code: string, says?: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof ChangeoverError && error.code === code && (says?.test(error.message) ?? true);
}

const POLICY = '{"algorithm":"q"}';
const Q = '{"value":1,"visits":2}';

/** Commands that must not touch a mapped key, because nothing would be captured. `~` stands for the prefix. */
const UNSUPPORTED: readonly (readonly [string, ...string[]])[] = [
  ['del', '~changeover:clock'],
  ['set', '~changeover:outbox', '1'],
  ['rename', '~other', '~changeover:outbox'],
  ['set', '~agent:a', 'text'],
  ['set', '~policy:a', POLICY, 'IFEQ', 'x'],
  ['hset', '~policy:a', 'f', 'v'],
  ['hset', '~exp:a', 'f', 'v'],
  ['hincrby', '~agent:a', 'active', '1'],
  ['hincrby', '~q:a', 's|1', '1'],
  ['rpush', '~q:a', 'x'],
  ['lpop', '~exp:a'],
  ['rpop', '~exp:a'],
  ['lset', '~exp:a', '0', 'x'],
  ['linsert', '~exp:a', 'before', 'x', 'y'],
  ['lrem', '~exp:a', '0', 'x'],
  ['lmove', '~other', '~exp:a', 'left', 'left'],
  ['rename', '~other', '~policy:a'],
  ['rename', '~policy:a', '~other'],
  ['copy', '~other', '~policy:a'],
  ['restore', '~policy:a', '0', 'x'],
  ['mset', '~other', '1', '~policy:a', POLICY],
  ['msetnx', '~policy:a', POLICY],
  ['append', '~policy:a', 'x'],
  ['setrange', '~policy:a', '0', 'x'],
  ['incr', '~policy:a'],
  ['getdel', '~agent:a'],
  ['sort', '~other', 'store', '~exp:a'],
  ['sadd', '~agent:a', 'x'],
  ['zadd', '~agent:a', '1', 'x'],
  ['xadd', '~agent:a', '*', 'f', 'v'],
  ['bitop', 'not', '~policy:a', '~other'],
  ['move', '~policy:a', '1'],
  ['migrate', '127.0.0.1', '1', '~policy:a', '0', '10'],
  ['eval', 'return redis.call("del", KEYS[1])', '1', '~policy:a'],
  ['evalsha', '0'.repeat(40), '2', '~other', '~policy:a'],
  ['fcall', 'anything', '1', '~agent:a'],
  ['json.set', '~agent:a', '$', '1'],
  ['flushdb'],
  ['flushall'],
  ['swapdb', '0', '1'],
  ['select', '3'],
];

/** What no store or log could hold. */
const FAULTY: readonly (readonly [says: RegExp, ...words: [string, ...string[]]])[] = [
  [/not JSON/, 'set', '~policy:a', 'x'],
  [/algorithm/, 'setex', '~policy:a', '10', '{"algorithm":1}'],
  [/surplus/, 'set', '~policy:a', '{"algorithm":"q","surplus":1}'],
  [/visits/, 'hset', '~q:a', 's|1', '{"value":1,"visits":0.5}'],
  [/between state and action/, 'hset', '~q:a', 'state', Q],
  [/whole number/, 'hset', '~q:a', 's|01', Q],
  [/active/, 'hset', '~agent:a', 'active', 'maybe'],
  [/its field id/, 'hset', '~agent:a', 'id', 'another'],
  [/id is empty/, 'hset', '~agent:', 'name', 'x'],
  [/episode/, 'rpush', '~exp:a', experienceText('x', 1, { episode: 'one' })],
  [/agentId/, 'rpush', '~exp:a', experienceText('x', 1, { agentId: 'b' })],
  [
    /\d{6} bytes.*100000/,
    'set',
    '~policy:a',
    JSON.stringify({ algorithm: 'x'.repeat(CAPTURE_TEST_MAX_BYTES) }),
  ],
  [/\d{6} bytes.*100000/, 'hset', '~agent:a', 'long', 'x'.repeat(CAPTURE_TEST_MAX_BYTES)],
];

const words = (given: readonly string[], prefix: string) =>
  given.map((word) => (word.startsWith('~') ? prefix + word.slice(1) : word)) as [string, ...string[]];

async function fill({ redis, store, prefix }: Intercepted): Promise<void> {
  await redis.hset(`${prefix}agent:a`, 'name', 'Ada');
  await redis.hset(`${prefix}q:a`, 's|1', Q);
  await redis.set(`${prefix}policy:a`, POLICY);
  await redis.rpush(`${prefix}exp:a`, experienceText('first', 1));
  await redis.set(`${prefix}other`, '5');
  void store;
}

async function dump(bare: Redis, prefix: string): Promise<unknown> {
  const keys = ['agent:a', 'q:a', 'policy:a', 'exp:a', 'other'].map((key) => prefix + key);
  return Promise.all(keys.map((key) => bare.dumpBuffer(key)));
}

describe('an intercepted Redis client refuses', () => {
  it(
    'every command that would change a mapped key uncaptured, and leaves it as it is',
    withIntercepted(async (given) => {
      const { redis, bare, store, prefix } = given;
      await fill(given);
      const before = await dump(bare, prefix);
      for (const command of UNSUPPORTED) {
        await assert.rejects(
          redis.call(...words(command, prefix)),
          hasCode('unsupported'),
          command.join(' '),
        );
      }
      assert.deepEqual(await dump(bare, prefix), before);
      const { entries } = await drainAll(store);
      assert.equal(entries.length, 4);
    }),
  );

  it(
    'a field that cannot be counted up, and names it as it was given',
    withIntercepted(async ({ redis, prefix }) => {
      await redis.hset(`${prefix}q:a`, 's|1', Q);
      await assert.rejects(redis.hincrby(`${prefix}q:a`, 's|1', 1), {
        code: 'unsupported',
        message: `HINCRBY of field "s|1" in "${prefix}q:a" cannot be captured.`,
      });
    }),
  );

  it(
    'what no store or log could hold, to whoever writes it',
    withIntercepted(async (given) => {
      const { redis, bare, store, prefix } = given;
      await fill(given);
      await drainAll(store);
      const before = await dump(bare, prefix);
      for (const [says, ...command] of FAULTY) {
        await assert.rejects(
          redis.call(...words(command, prefix)),
          hasCode('change-rejected', says),
          `${command[0]} ${says}`,
        );
      }
      await assert.rejects(
        redis.set(`${prefix}policy:a`, Buffer.from([0x7b, 0xff, 0x7d])),
        hasCode('change-rejected', /UTF-8/),
      );
      assert.deepEqual(await dump(bare, prefix), before);
      assert.deepEqual(await drainAll(store), { entries: [], unreadable: [] });
    }),
  );

  it(
    'what would make an agent larger than the log takes, counting what is there already',
    withIntercepted(async ({ redis, store, prefix }) => {
      const part = (name: string) =>
        redis.hset(`${prefix}agent:a`, name, 'x'.repeat(CAPTURE_TEST_MAX_BYTES * 0.4));
      await part('one');
      await part('two');
      await assert.rejects(part('three'), hasCode('change-rejected', /1[12]\d{4} bytes/));
      await part('two');
      const { entries } = await drainAll(store);
      assert.equal(entries.length, 3);
      await assertCaptured(store, fold(entries));
    }),
  );

  it(
    'an experience whose id stands in the list of another agent',
    withIntercepted(async ({ redis, store, prefix }) => {
      await redis.rpush(`${prefix}exp:a`, experienceText('same', 1));
      await assert.rejects(
        redis.rpush(`${prefix}exp:b`, experienceText('same', 2)),
        hasCode('change-rejected', /another agent/),
      );
      await redis.del(`${prefix}exp:a`);
      await redis.rpush(`${prefix}exp:b`, experienceText('same', 2));
      await assertCaptured(store, fold((await drainAll(store)).entries));
    }),
  );

  it(
    'a command in a pipeline alone, and with it a whole transaction',
    withIntercepted(async ({ redis, bare, store, prefix }) => {
      const [set, lpop, hset] =
        (await redis
          .pipeline()
          .set(`${prefix}policy:a`, POLICY)
          .lpop(`${prefix}exp:a`)
          .hset(`${prefix}agent:a`, 'n', 1)
          .exec()) ?? [];
      assert.deepEqual(
        [set, hset],
        [
          [null, 'OK'],
          [null, 1],
        ],
      );
      assert.ok(hasCode('unsupported')(lpop?.[0]));
      await drainAll(store);
      const transaction = redis
        .multi()
        .set(`${prefix}policy:b`, POLICY)
        .set(`${prefix}other`, 1)
        .set(`${prefix}policy:b`, 'x')
        .exec();
      await assert.rejects(
        transaction,
        (error: Error & { previousErrors?: Error[] }) =>
          /^EXECABORT/.test(error.message) && error.previousErrors?.some(hasCode('change-rejected')) === true,
      );
      await redis.multi({ pipeline: false });
      await redis.set(`${prefix}policy:b`, POLICY);
      await assert.rejects(redis.lpop(`${prefix}exp:a`), hasCode('unsupported'));
      await assert.rejects(redis.exec(), /EXECABORT/);
      assert.equal(await bare.exists(`${prefix}policy:b`, `${prefix}other`), 0);
      assert.deepEqual((await drainAll(store)).entries, []);
    }),
  );

  it(
    'nothing else: reads, other keys, and values that are called like mapped keys',
    withIntercepted(async ({ redis, store, prefix }) => {
      await redis.sadd(`${prefix}set`, `${prefix}agent:a`);
      await redis.publish(`${prefix}channel`, `${prefix}agent:a`);
      await redis.eval('return redis.call("set", KEYS[1], "1")', 1, `${prefix}other`);
      await redis.mget(`${prefix}policy:a`, `${prefix}other`);
      await redis.sort(`${prefix}exp:a`, 'ALPHA');
      await redis.watch(`${prefix}policy:a`);
      await redis.unwatch();
      await redis.select(0);
      await redis.rename(`${prefix}other`, `${prefix}another`);
      assert.deepEqual((await drainAll(store)).entries, []);
    }),
  );

  it(
    'writes while the outbox is full, one by one, and takes them again when it has been drained',
    withIntercepted(
      async ({ redis, bare, store, prefix }) => {
        const put = (id: string) => redis.set(`${prefix}policy:${id}`, POLICY);
        await Promise.all(['a', 'b', 'c'].map(put));
        await assert.rejects(put('d'), hasCode('outbox-full'));
        const piped =
          (await redis.pipeline().set(`${prefix}policy:d`, POLICY).set(`${prefix}other`, 1).exec()) ?? [];
        assert.ok(hasCode('outbox-full')(piped[0]?.[0]));
        const [refused, other] =
          (await redis.multi().set(`${prefix}policy:d`, POLICY).set(`${prefix}other`, 2).exec()) ?? [];
        assert.ok(hasCode('outbox-full')(refused?.[0]));
        assert.deepEqual(other, [null, 'OK']);
        assert.equal(await bare.exists(`${prefix}policy:d`), 0);
        assert.equal((await drainAll(store)).entries.length, 3);
        // The bound is looked at for each command, also within one call of the script.
        const many =
          (await redis
            .pipeline(['d', 'e', 'f', 'g'].map((id) => ['set', `${prefix}policy:${id}`, POLICY]))
            .exec()) ?? [];
        assert.deepEqual(
          many.map(([error]) => error === null),
          [true, true, true, false],
        );
        assert.deepEqual(
          lines((await drainAll(store)).entries),
          ['d', 'e', 'f'].map((id) => `c policy ${id}`),
        );
      },
      { maxEntries: 3 },
    ),
  );

  it(
    'nothing where the policy is to drop capture, but says since when',
    withIntercepted(
      async ({ redis, store, prefix }) => {
        await redis.set(`${prefix}policy:a`, POLICY);
        assert.equal((await store.capture?.status())?.lostSinceUs, null);
        await redis.set(`${prefix}policy:b`, POLICY);
        const status = await store.capture?.status();
        assert.ok((status?.lostSinceUs ?? 0) > 1.6e15);
        assert.equal(status?.entries, 1);
        const [held] = await store.source.get('policy', ['b']);
        assert.ok((held?.version ?? 0) > 1.6e15, 'it has a version all the same');
      },
      { maxEntries: 1, whenFull: 'drop' },
    ),
  );
});

describe('what an intercepted client does not capture', () => {
  it(
    'is the kinds of which this Redis is not the origin: they pass as they are',
    withIntercepted(async ({ place, store, bare, prefix }) => {
      const redis = place.intercepted(['q-value']);
      await redis.hset(`${prefix}agent:a`, 'type', 'citizen');
      await redis.rename(`${prefix}agent:a`, `${prefix}agent:b`);
      await redis.hset(`${prefix}q:a`, 's|1', Q);
      await assert.rejects(redis.rename(`${prefix}q:a`, `${prefix}q:b`), hasCode('unsupported'));
      const { entries } = await drainAll(store);
      assert.deepEqual(
        entries.map(({ change }) => change.kind),
        ['q-value'],
      );
      assert.equal(await bare.hget(`${prefix}agent:b`, 'type'), 'citizen');
    }),
  );

  it(
    'is refused where a key is no text: two of them would become one',
    withIntercepted(async ({ redis, store, bare, prefix }) => {
      for (const byte of [0xfe, 0xff]) {
        const key = Buffer.concat([Buffer.from(`${prefix}agent:`), Buffer.of(byte)]);
        await assert.rejects(
          redis.hset(key, 'type', 'citizen'),
          hasCode('unsupported', /xf[ef] is not UTF-8/),
        );
        assert.equal(await bare.exists(key), 0);
      }
      assert.deepEqual((await drainAll(store)).entries, []);
    }),
  );
});
