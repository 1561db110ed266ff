import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EntityWrite } from '../../connectors/capture.ts';
import { sampleEntity } from '../support/entities.ts';
import {
  assertCaptured,
  claimed,
  drainAll,
  fold,
  lines,
  withIntercepted,
} from './redis-intercept-support.ts';
import { experience, experienceText } from './redis-support.ts';

const put = (id: string, at: number, agentId = 'a'): EntityWrite => ({
  kind: 'experience',
  key: id,
  entity: experience(id, at, agentId),
});
const remove = (id: string): EntityWrite => ({ kind: 'experience', key: id, entity: null });

describe('capture in Redis', () => {
  it(
    'finds and replaces experiences that the application wrote uncaptured, and deletes them with their state',
    withIntercepted(async ({ bare, store, prefix }) => {
      await bare.rpush(`${prefix}exp:a`, experienceText('old', 1), experienceText('older', 2));
      await bare.rpush(`${prefix}exp:b`, experienceText('elsewhere', 1));
      const results = await store.capture?.write([put('old', 5), put('new', 3), remove('elsewhere')]);
      assert.deepEqual(
        results?.map(({ status }) => status),
        ['written', 'written', 'written'],
      );
      const { entries } = await drainAll(store);
      assert.deepEqual(lines(entries), ['u experience old', 'c experience new', 'd experience elsewhere']);
      assert.deepEqual(entries[2]?.change.before, experience('elsewhere', 1, 'b'));
      const kept = await bare.lrange(`${prefix}exp:a`, 0, -1);
      assert.deepEqual(
        kept.map((text) => (JSON.parse(text) as { id: string }).id),
        ['older', 'new', 'old'],
      );
    }),
  );

  it(
    'rejects a write where the key holds something of somebody else, and makes the others',
    withIntercepted(async ({ bare, store, prefix }) => {
      await bare.set(`${prefix}agent:taken`, 'text');
      const agent = (id: string): EntityWrite => ({
        kind: 'agent',
        key: id,
        entity: { ...sampleEntity('agent', { name: id }) },
      });
      const results = await store.capture?.write([agent('one'), agent('taken'), agent('two')]);
      assert.deepEqual(
        results?.map(({ status }) => status),
        ['written', 'rejected', 'written'],
      );
      assert.equal(await bare.get(`${prefix}agent:taken`), 'text');
      await bare.del(`${prefix}agent:taken`);
      await assertCaptured(store, fold((await drainAll(store)).entries));
    }),
  );

  it(
    'writes a batch that was let in as a whole, in calls of the script that keep its order',
    withIntercepted(
      async ({ store }) => {
        const batch = Array.from({ length: 450 }, (_, number) => put(`x${number % 300}`, number));
        const results = await store.capture?.write(batch);
        assert.ok(results?.every(({ status }) => status === 'written'));
        const { entries } = await drainAll(store);
        assert.deepEqual(
          entries.map(({ change }) => change.key),
          batch.map(({ key }) => key),
        );
        await assertCaptured(store, fold(entries));
      },
      { maxEntries: 10 },
    ),
  );

  it(
    'captures first what had expired where it writes, and gives what it writes no time to live',
    withIntercepted(async ({ redis, bare, store, prefix }) => {
      await redis.set(`${prefix}policy:a`, '{"algorithm":"q"}', 'PX', 100);
      await redis.hset(`${prefix}q:a`, 's|1', '{"value":1,"visits":1}');
      await redis.pexpire(`${prefix}q:a`, 100);
      await sleep(150);
      await store.capture?.write([
        { kind: 'policy', key: 'a', entity: { ...sampleEntity('policy', { name: 'a' }) } },
        {
          kind: 'q-value',
          key: '["a","s",2]',
          entity: { agentId: 'a', state: 's', action: 2, value: 1, visits: 1 },
        },
      ]);
      const { entries } = await drainAll(store);
      assert.deepEqual(lines(entries).slice(2), [
        'd policy a',
        'c policy a',
        'd q-value ["a","s",1]',
        'c q-value ["a","s",2]',
      ]);
      assert.deepEqual(
        await Promise.all(['policy:a', 'q:a'].map((key) => bare.pttl(prefix + key))),
        [-1, -1],
      );
      await assertCaptured(store, fold(entries));
    }),
  );

  it(
    'never gives an id of the outbox twice, also when capture was uninstalled meanwhile',
    withIntercepted(async ({ store }) => {
      await store.capture?.write([put('x', 1)]);
      const [first] = (await drainAll(store)).entries;
      await store.capture?.uninstall();
      await store.capture?.install();
      await store.capture?.write([put('x', 2)]);
      const [second] = (await drainAll(store)).entries;
      assert.ok((second?.id ?? '') > (first?.id ?? ''), `${first?.id}, then ${second?.id}`);
    }),
  );

  it(
    'ends the wait for an entry at once when the claim is given up or the wait is called off',
    withIntercepted(async ({ store }) => {
      const drain = await claimed(store);
      const stop = new AbortController();
      const began = performance.now();
      const waiting = drain.next({ limit: 1, waitMs: 60_000, signal: stop.signal });
      await sleep(50);
      stop.abort();
      assert.deepEqual(await waiting, { entries: [], unreadable: [] });
      assert.ok(performance.now() - began < 5_000);
      await drain.close();
    }),
  );
});
