import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OutboxEntry } from '../../connectors/capture.ts';
import type { Store } from '../../connectors/connector.ts';
import { slotOf, tagOf } from '../../connectors/redis/client/hash-slot.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { sampleEntity } from '../support/entities.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { type ClusterPlace, clusterPlace } from './redis-cluster-support.ts';
import { assertCaptured, claimed, drainAll, fold, lines } from './redis-intercept-support.ts';
import { experience, experienceText } from './redis-support.ts';

const cluster = await startRedisCluster();
after(() => cluster.stop());

interface Given {
  readonly place: ClusterPlace;
  readonly store: Store;
}

function inPlace(work: (given: Given) => Promise<void>, outbox = {}): () => Promise<void> {
  return async () => {
    const place = clusterPlace(cluster, { outbox });
    const store = await place.open();
    try {
      await store.capture?.install();
      await work({ place, store });
    } finally {
      await store.close();
      await place.remove();
    }
  };
}

describe('the slots of a cluster', () => {
  it('are those that Redis says, and each has a tag of its own that never changes', async () => {
    const [node] = cluster.nodes;
    for (const key of [
      '',
      'foo',
      '{user1000}.following',
      'a{}b',
      '{}',
      'x{y}z{w}',
      '😀{ü}',
      '{{a}}',
      '123456789',
    ]) {
      assert.equal(slotOf(key), await node?.redis.call('CLUSTER', 'KEYSLOT', key), key);
    }
    const tags = Array.from({ length: 16_384 }, (_, slot) => tagOf(slot));
    assert.equal(new Set(tags).size, tags.length);
    assert.ok(tags.every((tag, slot) => slotOf(`changeover:outbox{${tag}}:x`) === slot));
    assert.deepEqual([0, 1, 5_461, 16_383].map(tagOf), ['1bz', 'emj', '3zu', 'hia']);
  });
});

describe('capture in a Redis Cluster', () => {
  it(
    'captures what concurrent writers do to keys on all nodes, once and in order per key, while it is drained',
    inPlace(async ({ place, store }) => {
      const entries: OutboxEntry[] = [];
      const stop = new AbortController();
      const draining = drainUntil(store, stop.signal, entries);
      const written = await Promise.all(Array.from({ length: 4 }, (_, writer) => write(place, writer, 60)));
      await sleep(500);
      stop.abort();
      await draining;
      entries.push(...(await drainAll(store)).entries);
      assert.equal(entries.length, written.flat().length);
      await assertCaptured(store, fold(entries));
      const nodes = new Set(
        entries.map(({ change }) => Math.floor(slotOf(`${place.prefix}agent:${change.key}`) / 5_462)),
      );
      assert.equal(nodes.size, 3);
    }),
  );

  it(
    'tells soon of an entry, also in a slot that had none before',
    inPlace(async ({ place, store }) => {
      const redis = place.intercepted();
      const drain = await claimed(store);
      const signal = new AbortController().signal;
      await drain.next({ limit: 1, waitMs: 500, signal });
      const took: number[] = [];
      for (let number = 0; number < 20; number++) {
        const waiting = drain.next({ limit: 10, waitMs: 10_000, signal });
        await sleep(5);
        const began = performance.now();
        await redis.hset(`${place.prefix}agent:new ${number}`, 'name', 'x');
        const { entries } = await waiting;
        took.push(performance.now() - began);
        assert.equal(entries.length, 1);
        await drain.discard(entries.map(({ id }) => id));
      }
      await drain.close();
      const median = took.sort((left, right) => left - right)[10] ?? 0;
      assert.ok(median < 200, `${median} ms`);
    }),
  );

  it(
    'is looked at by the probe on every node, and is refused as a target',
    inPlace(async ({ place, store }) => {
      const results = await store.probe.check();
      assert.deepEqual(
        results.filter(({ ok }) => !ok),
        [],
      );
      const [, , third] = cluster.nodes;
      await third?.redis.config('SET', 'appendonly', 'no');
      const wrong = (await store.probe.check()).filter(({ ok }) => !ok);
      await third?.redis.config('SET', 'appendonly', 'yes');
      assert.deepEqual(
        wrong.map(({ check, detail }) => [check, detail]),
        [['durable', `127.0.0.1:${third?.port}: append-only file off`]],
      );
      await assert.rejects(place.openAsTarget(), { code: 'unsupported' });
    }),
  );

  it(
    'captures the deletes of what expires, in whatever slot',
    inPlace(async ({ place, store }) => {
      const redis = place.intercepted();
      for (let number = 0; number < 6; number++) {
        await redis.set(`${place.prefix}policy:${number}`, '{"algorithm":"q"}', 'PX', 300);
      }
      await redis.hset(`${place.prefix}q:a`, 's|1', '{"value":1,"visits":1}');
      await redis.pexpire(`${place.prefix}q:a`, 300);
      const entries: OutboxEntry[] = [];
      const stop = new AbortController();
      const draining = drainUntil(store, stop.signal, entries);
      for (let look = 0; look < 100 && entries.length < 14; look++) await sleep(100);
      stop.abort();
      await draining;
      assert.deepEqual(
        lines(entries)
          .filter((line) => line.startsWith('d '))
          .sort(),
        [...Array.from({ length: 6 }, (_, number) => `d policy ${number}`), 'd q-value ["a","s",1]'],
      );
      await assertCaptured(store, fold(entries));
    }),
  );

  it(
    'finds and deletes an experience by its id alone, wherever its list is and whoever wrote it',
    inPlace(async ({ place, store }) => {
      const redis = place.intercepted();
      for (const agent of ['a', 'b', 'c']) {
        await place.bare.rpush(`${place.prefix}exp:${agent}`, experienceText(`old of ${agent}`, 1));
        await redis.rpush(`${place.prefix}exp:new ${agent}`, experienceText(`new of ${agent}`, 1));
      }
      const ids = ['a', 'b', 'c'].flatMap((agent) => [`old of ${agent}`, `new of ${agent}`]);
      const results = await store.capture?.write([
        ...ids.map((id) => ({ kind: 'experience' as const, key: id, entity: null })),
        { kind: 'experience', key: 'late', entity: experience('late', 1) },
        { kind: 'experience', key: 'late', entity: null },
        { kind: 'experience', key: 'nowhere', entity: null },
        { kind: 'experience', key: 'late', entity: null },
      ]);
      assert.deepEqual(
        results?.filter(({ status }) => status !== 'written').map(({ status }) => status),
        ['rejected'],
      );
      const { entries } = await drainAll(store);
      const deletes = entries.filter(({ change }) => change.op === 'd');
      assert.deepEqual(deletes.map(({ change }) => change.key).sort(), [...ids, 'late', 'late'].sort());
      assert.equal(deletes.filter(({ change }) => change.before === null).length, 1);
      await assertCaptured(store, fold(entries));
    }),
  );

  it(
    'writes a batch to many slots, or nothing of it where one of their outboxes is full',
    inPlace(
      async ({ place, store }) => {
        const put = (name: string) => ({
          kind: 'agent' as const,
          key: name,
          entity: { ...sampleEntity('agent', { name }) },
        });
        const slotFor = (name: string) => slotOf(`${place.prefix}agent:${name}`);
        const all = ['other', ...Array.from({ length: 30 }, (_, number) => `batch ${number}`)];
        // Each in a slot of its own.
        const [, ...names] = all.filter(
          (name, index) => all.findIndex((each) => slotFor(each) === slotFor(name)) === index,
        );
        await store.capture?.write(names.map(put));
        const [twice = ''] = names;
        await store.capture?.write([put(twice)]);
        await assert.rejects(
          async () => store.capture?.write([put('other'), put(twice), put(names[1] ?? '')]),
          {
            code: 'outbox-full',
          },
        );
        assert.equal(await place.bare.exists(`${place.prefix}agent:other`), 0);
        const { entries } = await drainAll(store);
        assert.equal(entries.length, names.length + 1);
        await assertCaptured(store, fold(entries));
      },
      { maxEntries: 2 },
    ),
  );

  it(
    'looks at the outboxes where no node may tell of changes',
    inPlace(async ({ place, store }) => {
      const allow = (rule: string) =>
        Promise.all(cluster.nodes.map(({ redis }) => redis.call('ACL', 'SETUSER', 'default', rule)));
      await allow('-client|tracking');
      try {
        const drain = await claimed(store);
        const signal = new AbortController().signal;
        const redis = place.intercepted();
        for (const value of ['1', '2']) {
          const waiting = drain.next({ limit: 10, waitMs: 10_000, signal });
          await redis.hset(`${place.prefix}agent:a`, 'value', value);
          const { entries } = await waiting;
          assert.deepEqual(
            entries.map(({ change }) => valueIn(change.after)),
            [Number(value)],
          );
        }
        await drain.close();
      } finally {
        await allow('+client|tracking');
      }
    }),
  );

  it(
    'loses nothing where a node is killed under writers and relay, and goes on when it is back',
    { timeout: 120_000 },
    inPlace(async ({ place, store }) => {
      const entries: OutboxEntry[] = [];
      const stop = new AbortController();
      let isDone = false;
      const draining = drainThrough(store, stop.signal, entries);
      const writers = Array.from({ length: 4 }, (_, writer) =>
        writeUntil(place, String(writer), () => isDone),
      );
      await sleep(300);
      const [first] = cluster.nodes;
      assert.ok(first);
      await cluster.restart(first);
      await sleep(2_000);
      isDone = true;
      const acknowledged = (await Promise.all(writers)).flat();
      await sleep(500);
      stop.abort();
      await draining;
      entries.push(...(await drainAll(store)).entries);
      const unique = [...new Map(entries.map((entry) => [entry.id, entry])).values()];
      const captured = new Set(unique.map(({ change }) => valueIn(change.after)));
      assert.ok(acknowledged.length > 100, `${acknowledged.length} writes`);
      assert.deepEqual(
        acknowledged.filter((value) => !captured.has(value)),
        [],
      );
      await assertCaptured(store, fold(unique));
    }),
  );

  it(
    'loses nothing, and keeps the order of each key, while a slot moves to another node under the writers',
    { timeout: 120_000 },
    inPlace(async ({ place, store }) => {
      const hot = '{hot}';
      const slot = slotOf(hot);
      const entries: OutboxEntry[] = [];
      const stop = new AbortController();
      const draining = drainUntil(store, stop.signal, entries);
      let isDone = false;
      const writers = Array.from({ length: 4 }, (_, writer) =>
        writeUntil(place, `${hot}${writer}`, () => isDone),
      );
      await sleep(300);
      const holder = cluster.nodes.findIndex(({ port }) => place.bare.slots[slot]?.[0]?.endsWith(`:${port}`));
      for (const step of [1, 2]) {
        const to = cluster.nodes[(holder + step) % 3];
        assert.ok(to);
        await cluster.move(slot, to, () => sleep(20));
        await sleep(300);
      }
      isDone = true;
      const acknowledged = (await Promise.all(writers)).flat();
      await sleep(500);
      stop.abort();
      await draining;
      entries.push(...(await drainAll(store)).entries);
      const captured = new Set(entries.map(({ change }) => valueIn(change.after)));
      assert.ok(acknowledged.length > 20, `${acknowledged.length} writes`);
      assert.deepEqual(
        acknowledged.filter((value) => !captured.has(value)),
        [],
      );
      await assertCaptured(store, fold(entries));
    }),
  );
});

function valueIn(agent: unknown): unknown {
  return (agent as { attributes?: { value?: unknown } } | null)?.attributes?.value;
}

/** Agents of this writer and of all writers, in pipelines where they can be; answers a line per write. */
async function write(place: ClusterPlace, writer: number, count: number): Promise<readonly string[]> {
  const redis = place.intercepted();
  const made: string[] = [];
  for (let number = 0; number < count; number++) {
    const key = `${place.prefix}agent:${number % 3 === 0 ? `shared ${number % 9}` : `own ${writer} ${number % 20}`}`;
    await redis.hset(key, 'value', `v${writer}-${number}`);
    made.push(key);
    const chain = redis.pipeline();
    chain.hset(key, 'name', 'x').hset(key, 'name', 'y');
    for (const [error] of (await chain.exec()) ?? []) assert.equal(error, null);
    made.push(key, key);
  }
  return made;
}

/** One agent, again and again, alone, in pipelines and in transactions; answers the values that were acknowledged. */
async function writeUntil(
  place: ClusterPlace,
  id: string,
  isDone: () => boolean,
): Promise<readonly string[]> {
  const redis = place.intercepted();
  const key = `${place.prefix}agent:${id}`;
  const acknowledged: string[] = [];
  for (let number = 0; !isDone(); number++) {
    const value = `v${id}-${number}`;
    try {
      if (number % 3 === 0) await redis.hset(key, 'value', value);
      else {
        const chain = number % 3 === 1 ? redis.pipeline() : redis.multi();
        const answers = (await chain.hset(key, 'name', value).hset(key, 'value', value).exec()) ?? [];
        const failed = answers.find(([error]) => error !== null);
        if (failed !== undefined) throw failed[0];
      }
      acknowledged.push(value);
    } catch (error) {
      // What ioredis gave up, or what a pipeline of the bare client answers meanwhile.
      assert.match(
        String(error),
        /TRYAGAIN|MOVED|ASK|Too many Cluster redirections|EXECABORT|closed|ECONN|LOADING|CLUSTERDOWN|EPIPE|connection close/,
      );
    }
  }
  return acknowledged;
}

async function drainUntil(store: Store, signal: AbortSignal, into: OutboxEntry[]): Promise<void> {
  const drain = await claimed(store);
  try {
    while (!signal.aborted) {
      const { entries, unreadable } = await drain.next({ limit: 100, waitMs: 1_000, signal });
      assert.deepEqual(unreadable, []);
      into.push(...entries);
      await drain.discard(entries.map(({ id }) => id));
      assert.equal(await drain.renew(), true);
    }
  } finally {
    await drain.close();
  }
}

/** As the relay does: what fails for a while is tried again, from what was not discarded on. */
async function drainThrough(store: Store, signal: AbortSignal, into: OutboxEntry[]): Promise<void> {
  let drain = await claimed(store);
  while (!signal.aborted) {
    try {
      const { entries } = await drain.next({ limit: 100, waitMs: 1_000, signal });
      into.push(...entries);
      await drain.discard(entries.map(({ id }) => id));
      if (await drain.renew()) continue;
      drain = await claimed(store);
    } catch (error) {
      assert.ok(error instanceof ChangeoverError && error.retryable, String(error));
      drain.restart();
      await sleep(50);
    }
  }
  await drain.close();
}
