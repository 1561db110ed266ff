import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { intercept } from '../../connectors/redis/intercept/intercept.ts';
import {
  assertCaptured,
  claimed,
  drainAll,
  fold,
  lines,
  withIntercepted,
} from './redis-intercept-support.ts';
import { experienceText } from './redis-support.ts';

const POLICY = '{"algorithm":"q"}';
const Q = '{"value":1,"visits":2}';

describe('an intercepted Redis client', () => {
  it(
    'leaves nothing of a transaction that its WATCH fails or that is discarded',
    withIntercepted(async ({ redis, bare, store, prefix }) => {
      await redis.watch(`${prefix}policy:a`);
      await bare.set(`${prefix}policy:a`, '{"algorithm":"of somebody else"}');
      assert.equal(
        await redis.multi().set(`${prefix}policy:a`, POLICY).hset(`${prefix}agent:a`, 'n', 1).exec(),
        null,
      );
      await redis.multi({ pipeline: false });
      await redis.hset(`${prefix}agent:a`, 'n', 1);
      await redis.discard();
      assert.equal(await bare.exists(`${prefix}agent:a`), 0);
      assert.deepEqual((await drainAll(store)).entries, []);
    }),
  );

  it(
    'goes on when the server has forgotten its scripts, in pipelines and transactions too',
    withIntercepted(async ({ redis, bare, store, prefix }) => {
      const put = (name: string) => redis.hset(`${prefix}agent:a`, name, 1);
      await put('first');
      await bare.script('FLUSH');
      await Promise.all(['a', 'b', 'c'].map(put));
      await bare.script('FLUSH');
      const piped = await redis
        .pipeline()
        .set(`${prefix}policy:a`, POLICY)
        .get(`${prefix}other`)
        .hset(`${prefix}q:a`, 's|1', Q)
        .exec();
      assert.deepEqual(piped, [
        [null, 'OK'],
        [null, null],
        [null, 1],
      ]);
      await bare.script('FLUSH');
      const made = await redis.multi().set(`${prefix}policy:a`, POLICY).hset(`${prefix}q:a`, 's|2', Q).exec();
      assert.deepEqual(made, [
        [null, 'OK'],
        [null, 1],
      ]);
      await assertCaptured(store, fold((await drainAll(store)).entries));
    }),
  );

  it(
    'sends again after its connection broke, with everything in order and nothing uncaptured',
    withIntercepted(async ({ redis, bare, store, prefix }) => {
      const id = await redis.client('ID');
      const work = Array.from({ length: 300 }, async (_, number) => {
        await redis.hset(`${prefix}agent:a`, 'n', number);
      });
      const chains = Array.from({ length: 20 }, (_, chain) =>
        redis
          .pipeline(
            Array.from({ length: 30 }, (_, number) => ['hset', `${prefix}q:${chain}`, `s|${number}`, Q]),
          )
          .exec(),
      );
      await bare.client('KILL', 'ID', id);
      await bare.script('FLUSH');
      const settled = await Promise.allSettled([...work, ...chains]);
      assert.equal(settled.length, 320);
      await redis.hset(`${prefix}agent:a`, 'n', 'last');
      assert.equal(await bare.hget(`${prefix}agent:a`, 'n'), 'last');
      await assertCaptured(store, fold((await drainAll(store)).entries));
    }),
  );

  it(
    'works with a key prefix, automatic pipelines, duplicates, custom commands and lazy connections',
    withIntercepted(async ({ place, redis, bare, store, prefix }) => {
      const clients: Redis[] = [];
      const made = (client: Redis) => {
        clients.push(client);
        return client;
      };
      try {
        const prefixed = made(intercept(bare.duplicate({ keyPrefix: prefix }), place.mapping));
        await prefixed.hset('agent:a', 'n', 1);
        assert.equal(await prefixed.hget('agent:a', 'n'), '1');
        const automatic = made(intercept(bare.duplicate({ enableAutoPipelining: true }), place.mapping));
        const replies = await Promise.all([
          automatic.hset(`${prefix}agent:b`, 'n', 1),
          automatic.hget(`${prefix}agent:b`, 'n'),
          automatic.set(`${prefix}policy:b`, POLICY),
        ]);
        assert.deepEqual(replies, [1, '1', 'OK']);
        const duplicate = made(redis.duplicate({ lazyConnect: true }));
        assert.equal(duplicate.status, 'wait');
        assert.equal(await duplicate.rpush(`${prefix}exp:a`, experienceText('x', 1)), 1);
        redis.defineCommand('vanish', { numberOfKeys: 1, lua: 'return redis.call("del", KEYS[1])' });
        const { vanish } = redis as unknown as { vanish(key: string): Promise<number> };
        await assert.rejects(vanish.call(redis, `${prefix}agent:a`), /EVALSHA/);
        assert.equal(await vanish.call(redis, `${prefix}other`), 0);
        await assertCaptured(store, fold((await drainAll(store)).entries));
      } finally {
        for (const client of clients) client.disconnect();
      }
    }),
  );

  it(
    'captures a removal of several keys, mapped or not, with the states before',
    withIntercepted(async ({ redis, store, prefix }) => {
      await redis.hset(`${prefix}agent:a`, { name: 'Ada', age: 36 });
      await redis.hset(`${prefix}q:a`, 's|1', Q, 't"|2', Q);
      await redis.set(`${prefix}policy:[a`, POLICY);
      await redis.hset(`${prefix}policies:ü`, 'néw\n', POLICY);
      await redis.rpush(`${prefix}exp:a`, experienceText('x', 1), experienceText('y', 2));
      await redis.set(`${prefix}other`, 1);
      const written = await drainAll(store);
      const keys = ['agent:a', 'other', 'q:a', 'policy:[a', 'policies:ü', 'exp:a', 'exp:a', 'absent'].map(
        (key) => prefix + key,
      );
      assert.equal(await redis.del(...keys), 6);
      const { entries } = await drainAll(store);
      const states = (all: typeof entries, side: 'before' | 'after') =>
        new Map(all.map(({ change }) => [`${change.kind} ${change.key}`, change[side]]));
      assert.equal(entries.length, 7);
      assert.deepEqual(states(entries, 'before'), states(written.entries, 'after'));
      await assertCaptured(store, fold(entries, fold(written.entries)));
      assert.equal(await redis.del(...keys), 0);
      assert.deepEqual((await drainAll(store)).entries, []);
    }),
  );

  it(
    'keeps bytes that are no text as they are, beside texts in one pipeline too',
    withIntercepted(async ({ redis, bare, store, prefix }) => {
      const odd = Buffer.concat([Buffer.from(`${prefix}odd`), Buffer.from([0xff, 0xfe, 0x00])]);
      await bare.set(odd, 'here');
      const answers = await redis
        .pipeline()
        .set(`${prefix}policy:a`, POLICY)
        .hset(Buffer.from(`${prefix}agent:a`), 'n', 1)
        .del(`${prefix}policy:a`, odd)
        .exec();
      assert.deepEqual(
        answers?.map(([, answer]) => answer),
        ['OK', 1, 2],
      );
      assert.equal(await bare.exists(odd), 0);
      assert.deepEqual(lines((await drainAll(store)).entries), ['c policy a', 'c agent a', 'd policy a']);
    }),
  );

  it(
    'lets a transaction in a pipeline be one',
    withIntercepted(async ({ redis, store, prefix }) => {
      const chain = redis.pipeline();
      chain.call('MULTI');
      const answers = await chain
        .set(`${prefix}policy:a`, POLICY)
        .hset(`${prefix}agent:a`, 'n', 1)
        .call('EXEC')
        .exec();
      assert.deepEqual(
        answers?.map(([, answer]) => answer),
        ['OK', 'QUEUED', 'QUEUED', ['OK', 1]],
      );
      assert.equal((await drainAll(store)).entries.length, 2);
    }),
  );

  it(
    'captures that keys have expired, whoever comes first: the relay or the next writer',
    withIntercepted(async ({ redis, store, prefix }) => {
      await redis.set(`${prefix}policy:a`, POLICY, 'PX', 150);
      await redis.hset(`${prefix}q:a`, 's|1', Q);
      await redis.pexpire(`${prefix}q:a`, 150);
      await redis.hset(`${prefix}q:a`, 's|2', Q);
      await redis.rpush(`${prefix}exp:a`, experienceText('x', 1));
      await redis.pexpire(`${prefix}exp:a`, 150);
      await redis.hset(`${prefix}agent:a`, 'n', 1);
      await redis.pexpire(`${prefix}agent:a`, 150);
      await redis.hset(`${prefix}agent:kept`, 'n', 1);
      await redis.pexpire(`${prefix}agent:kept`, 150);
      await redis.persist(`${prefix}agent:kept`);
      await sleep(250);
      await redis.hset(`${prefix}agent:a`, 'n', 2);
      await redis.rpush(`${prefix}exp:a`, experienceText('y', 2));
      const { entries } = await drainAll(store);
      const expired = lines(entries).slice(6);
      assert.deepEqual(expired.slice(0, 4), ['d agent a', 'c agent a', 'd experience x', 'c experience y']);
      assert.deepEqual(expired.slice(4).sort(), [
        'd policy a',
        'd q-value ["a","s",1]',
        'd q-value ["a","s",2]',
      ]);
      await assertCaptured(store, fold(entries));
    }),
  );

  it(
    'captures the end of keys that were given a time to live before capture was installed',
    withIntercepted(async ({ bare, store, prefix }) => {
      await bare.hset(`${prefix}q:a`, 's|1', Q);
      await bare.pexpire(`${prefix}q:a`, 150);
      await bare.set(`${prefix}policy:a`, POLICY, 'PX', 150);
      await bare.rpush(`${prefix}exp:a`, experienceText('x', 1));
      await bare.pexpire(`${prefix}exp:a`, 150);
      await bare.set(`${prefix}policy:b`, POLICY);
      await store.capture?.install();
      await sleep(250);
      const { entries } = await drainAll(store);
      assert.deepEqual([...lines(entries)].sort(), ['d experience x', 'd policy a', 'd q-value ["a","s",1]']);
    }),
  );

  it(
    'captures what an experience that is pushed twice counts for, and its end when the last of it is trimmed',
    withIntercepted(async ({ redis, store, prefix }) => {
      const key = `${prefix}exp:a`;
      await redis.rpush(key, experienceText('x', 1));
      await redis.rpush(key, experienceText('x', 1));
      await redis.rpush(key, experienceText('z', 3));
      await redis.ltrim(key, 1, -1);
      await redis.ltrim(key, 1, -1);
      const { entries } = await drainAll(store);
      assert.deepEqual(
        lines(entries),
        ['c', 'u', 'c', 'u', 'd'].map((op, at) => `${op} experience ${at === 2 ? 'z' : 'x'}`),
      );
      await assertCaptured(store, fold(entries));
    }),
  );

  it(
    'leaves versions, locators and lists as a follower needs them: an older change is stale, a newer one wins',
    withIntercepted(async ({ redis, bare, store, prefix }) => {
      await bare.rpush(`${prefix}exp:old`, experienceText('old', 1));
      await redis.rpush(`${prefix}exp:old`, experienceText('new', 2));
      await redis.ltrim(`${prefix}exp:old`, 2, -1);
      await redis.rpush(`${prefix}exp:a`, experienceText('x', 1), experienceText('y', 2));
      assert.deepEqual(
        await bare.smembers(`${place(prefix)}listed`),
        ['a'],
        'only a list that is known whole',
      );
      await redis.ltrim(`${prefix}exp:a`, 1, -1);
      await redis.hset(`${prefix}agent:a`, 'n', 1);
      const { entries } = await drainAll(store);
      const changes = entries.map(({ change }) => change);
      const again = await store.sink.apply(changes);
      assert.ok(again.every(({ status }) => status === 'stale'));
      const later = changes.map(
        (change) => ({ ...change, version: change.version + 10_000_000 }) as typeof change,
      );
      const outcomes = await store.sink.apply(later);
      assert.ok(outcomes.every(({ status }) => status === 'applied' || status === 'stale'));
      await assertCaptured(store, fold(later.map((change) => ({ id: '', change }))));
      assert.deepEqual((await drainAll(store)).entries, [], 'what a follower writes is not captured');
      await redis.hset(`${prefix}agent:a`, 'n', 2);
      const [entry] = (await drainAll(store)).entries;
      assert.ok((entry?.change.version ?? 0) > Math.max(...later.map(({ version }) => version)));
    }),
  );

  it(
    'passes on what it cannot make a change of, with its place, and keeps it when it is set aside',
    withIntercepted(async ({ redis, bare, store, prefix }) => {
      await bare.hset(`${prefix}agent:a`, 'active', 'perhaps');
      await redis.hset(`${prefix}agent:a`, 'n', 1);
      await redis.del(`${prefix}agent:a`);
      const drain = await claimed(store);
      try {
        const { entries, unreadable } = await drain.next({
          limit: 10,
          waitMs: 0,
          signal: new AbortController().signal,
        });
        assert.deepEqual(lines(entries), ['d agent a']);
        const [first] = unreadable;
        assert.match(`${first?.where}: ${first?.reason}`, /agent:a".*perhaps/);
        await drain.setAside({ id: first?.id ?? '', reason: first?.reason ?? '' });
        await drain.discard(entries.map(({ id }) => id));
      } finally {
        await drain.close();
      }
      const status = await store.capture?.status();
      assert.deepEqual([status?.entries, status?.setAside], [0, 1]);
      const kept = await bare.xrange(`${place(prefix)}outbox:aside`, '-', '+');
      assert.match(kept[0]?.[1].join(' ') ?? '', /perhaps/);
      assert.ok(store.capture !== undefined);
      const [entry] = await Array.fromAsync(store.capture.setAsideEntries());
      assert.deepEqual([entry?.kind, entry?.key], ['agent', 'a']);
      assert.match(entry?.reason ?? '', /perhaps/);
    }),
  );

  it(
    'keeps apart what it says of an entry that somebody else put into the outbox and what that says of itself',
    withIntercepted(async ({ bare, store, prefix }) => {
      const fields = ['entry', 'mine', 'reason', 'none', 'change', 'agent x', 'key', 'k'];
      const id = await bare.xadd(`${place(prefix)}outbox`, '*', ...fields);
      const drain = await claimed(store);
      try {
        const signal = new AbortController().signal;
        const { unreadable } = await drain.next({ limit: 10, waitMs: 0, signal });
        assert.deepEqual(
          unreadable.map((each) => each.id),
          [id],
        );
        await drain.setAside({ id: id ?? '', reason: 'not ours' });
      } finally {
        await drain.close();
      }
      assert.ok(store.capture !== undefined);
      assert.deepEqual(await Array.fromAsync(store.capture.setAsideEntries()), [
        { id, kind: '', key: 'k', reason: 'not ours', capturedUs: null },
      ]);
      assert.equal(await store.capture.clearSetAside([id ?? '']), 1);
      assert.equal(await bare.exists(`${place(prefix)}outbox:aside`), 0);
    }),
  );

  it(
    'finds entries whose names are older than those that were drained already, as after a fail-over',
    withIntercepted(async ({ redis, bare, store, prefix }) => {
      const outbox = `${place(prefix)}outbox`;
      const drain = await claimed(store);
      const signal = new AbortController().signal;
      try {
        await redis.set(`${prefix}policy:a`, POLICY);
        const { entries } = await drain.next({ limit: 10, waitMs: 1_000, signal });
        // The stream believes that it is an hour later than it is, and then it is another stream.
        await bare.xsetid(outbox, `${Date.now() + 3_600_000}-0`);
        await redis.set(`${prefix}policy:b`, POLICY);
        const ahead = await drain.next({ limit: 10, waitMs: 1_000, signal });
        await drain.discard([...entries, ...ahead.entries].map(({ id }) => id));
        await bare.del(outbox);
        await redis.set(`${prefix}policy:c`, POLICY);
        const found = await drain.next({ limit: 10, waitMs: 5_000, signal });
        assert.deepEqual(
          found.entries.map(({ change }) => change.key),
          ['c'],
        );
      } finally {
        await drain.close();
      }
    }),
  );

  it(
    'answers the relay within some milliseconds of the write',
    withIntercepted(async ({ redis, store, prefix }) => {
      const drain = await claimed(store);
      const waits: number[] = [];
      try {
        for (let number = 0; number < 30; number++) {
          const next = drain.next({ limit: 10, waitMs: 5_000, signal: new AbortController().signal });
          await sleep(5);
          const began = performance.now();
          await redis.set(`${prefix}policy:a`, POLICY);
          const { entries } = await next;
          waits.push(performance.now() - began);
          await drain.discard(entries.map(({ id }) => id));
        }
      } finally {
        await drain.close();
      }
      const median = waits.sort((left, right) => left - right)[15] ?? 0;
      assert.ok(median < 40, `p50 ${median} ms`);
    }),
  );
});

const place = (prefix: string) => `${prefix}changeover:`;
