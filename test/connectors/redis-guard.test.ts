import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import { REDIS_KINDS } from '../../connectors/redis/layout.ts';
import type { Change } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { experience, type RedisPlace, scanAll, statuses, V, withStore } from './redis-support.ts';

describe('the guard in Redis', () => {
  it(
    'tells versions of 16 digits apart that differ in the last one',
    withStore('target', async (place, store) => {
      const newest = Number.MAX_SAFE_INTEGER;
      for (const kind of REDIS_KINDS) {
        const at = (variant: number) => sampleEntity(kind, { name: kind, variant });
        const key = upsert(kind, at(1), newest).key;
        assert.deepEqual(await statuses(store, [upsert(kind, at(1), newest - 2)]), ['applied']);
        assert.deepEqual(await statuses(store, [upsert(kind, at(9), newest - 3)]), ['stale']);
        assert.deepEqual(await statuses(store, [upsert(kind, at(2), newest - 1)]), ['applied']);
        assert.deepEqual(await statuses(store, [removal(kind, key, newest)]), ['applied']);
        assert.deepEqual(await statuses(store, [upsert(kind, at(9), newest - 1)]), ['stale']);
        assert.deepEqual(await store.source.get(kind, [key]), [{ version: newest, entity: null }]);
      }
      assert.equal(await place.redis.get(`${place.prefix}changeover:clock`), String(newest));
    }),
  );

  it(
    'keeps the greatest version that it was offered in the clock, whatever the order',
    withStore('target', async ({ redis, prefix }, store) => {
      const at = (name: string) => sampleEntity('agent', { name });
      await store.sink.apply([upsert('agent', at('a'), V + 5), upsert('agent', at('b'), V + 9)]);
      await store.sink.apply([upsert('experience', experience('e', 1), V + 7)]);
      assert.equal(await redis.get(`${prefix}changeover:clock`), String(V + 9));
    }),
  );

  it(
    'lets two clients write the same keys at once without mixing one state with another’s version',
    withStore('target', async (place, store) => {
      const other = await place.open('target');
      try {
        for (const kind of REDIS_KINDS) {
          const names = Array.from({ length: 40 }, (_, n) => `racer ${n}`);
          const offers = (first: number) =>
            Array.from({ length: 10 }, (_, step) =>
              names.map((name, n) => {
                const variant = first + 2 * ((step * 7 + n) % 10);
                return upsert(kind, sampleEntity(kind, { name, variant }), V + variant);
              }),
            );
          const run = async (sink: Store, batches: readonly (readonly Change[])[]) => {
            for (const batch of batches) await sink.sink.apply(batch);
          };
          await Promise.all([run(store, offers(0)), run(other, offers(1))]);
          const keys = names.map((name) => upsert(kind, sampleEntity(kind, { name }), V).key);
          const held = await store.source.get<Kind>(kind, keys);
          assert.deepEqual(
            held,
            names.map((name) => ({
              version: V + 19,
              entity: sampleEntity<Kind>(kind, { name, variant: 19 }),
            })),
          );
        }
      } finally {
        await other.close();
      }
    }),
  );

  it(
    'says so when the bookkeeping is not ours, and writes nothing',
    withStore('target', async ({ redis, prefix }, store) => {
      await redis.hset(`${prefix}changeover:versions:agent`, 'b', 'seventeen');
      const batch = ['a', 'b'].map((name) => upsert('agent', sampleEntity('agent', { name }), V));
      await assert.rejects(store.sink.apply(batch), { code: 'mismatch', message: /bookkeeping/ });
      await assert.rejects(store.source.get('agent', ['b']), { code: 'mismatch', message: /seventeen/ });
      assert.equal(await redis.exists(`${prefix}agent:a`), 0);
    }),
  );
});

describe('what is held of an entity that is not there', () => {
  const sample = (kind: Kind, variant = 1) => sampleEntity<Kind>(kind, { name: 'gone', variant });
  /** All that the application keeps, but nothing of ours. */
  const applicationKeys = async ({ redis, prefix }: RedisPlace) =>
    (await redis.keys(`${prefix}*`)).filter((key) => !key.startsWith(`${prefix}changeover:`));

  for (const kind of REDIS_KINDS) {
    it(
      `is a tombstone for a delete of ours alone, not for what went by itself: ${kind}`,
      withStore('target', async (place, store) => {
        const change = upsert<Kind>(kind, sample(kind), V);
        await store.sink.apply([change]);
        await place.redis.unlink(...(await applicationKeys(place)));
        assert.deepEqual(await store.source.get(kind, [change.key]), [undefined]);
        // What is held all the same: no older change brings it back.
        assert.deepEqual(await statuses(store, [upsert<Kind>(kind, sample(kind), V - 1)]), ['stale']);
        assert.deepEqual(await statuses(store, [removal(kind, change.key, V + 1)]), ['applied']);
        assert.deepEqual(await store.source.get(kind, [change.key]), [{ version: V + 1, entity: null }]);
      }),
    );
  }

  it(
    'is nothing where what is there is no entity',
    withStore('target', async ({ redis, prefix }, store) => {
      const agent = upsert('agent', sampleEntity('agent', { name: 'ann' }), V);
      const entity = sampleEntity('policy', { name: 'ann' });
      const policy = upsert('policy', entity, V);
      const seen = upsert('experience', experience('e', 1), V);
      await store.sink.apply([agent, policy, seen]);
      await redis.hset(`${prefix}agent:ann`, 'active', 'perhaps');
      await redis.set(`${prefix}policy:${entity.agentId}`, '{"algorithm":');
      await redis.lset(`${prefix}exp:a`, 0, '{"id":"e"}');
      assert.deepEqual(await store.source.get('agent', [agent.key]), [undefined]);
      assert.deepEqual(await store.source.get('policy', [policy.key]), [undefined]);
      assert.deepEqual(await store.source.get('experience', [seen.key]), [undefined]);
    }),
  );

  it(
    'is no version of what an application wrote anew after a delete',
    withStore('legacy', async ({ redis, prefix }, store) => {
      await store.sink.apply([removal('agent', 'ann', V)]);
      await redis.hset(`${prefix}agent:ann`, 'name', 'Ann');
      const [held] = await store.source.get('agent', ['ann']);
      assert.deepEqual([held?.version, held?.entity?.id], [null, 'ann']);
      const { rows } = await scanAll(store, 'agent');
      assert.deepEqual(
        rows.map(({ key, version }) => [key, version]),
        [['ann', null]],
      );
    }),
  );
});

describe('what Redis cannot hold', () => {
  it(
    'is rejected with its reason, and the rest of the batch is applied',
    withStore('target', async ({ redis, prefix }, store) => {
      await redis
        .pipeline()
        .set(`${prefix}agent:taken`, 'x')
        .set(`${prefix}exp:taken`, 'x')
        .set(`${prefix}q:taken`, 'x')
        .exec();
      const agent = (name: string, attributes = {}) => ({ ...sampleEntity('agent', { name }), attributes });
      const q = { agentId: 'taken', state: 's', action: 1, value: 1, visits: 1 };
      const crowd = Object.fromEntries(Array.from({ length: 10_001 }, (_, n) => [`a${n}`, n]));
      const outcomes = await store.sink.apply([
        upsert('agent', agent('fine'), V),
        upsert('agent', agent('taken'), V),
        upsert('agent', agent('crowded', crowd), V),
        upsert('agent', agent('nan', { x: Number.NaN }), V),
        upsert('agent', agent('half', { x: '\ud800' }), V),
        { ...upsert('agent', agent('misnamed'), V), key: 'other' } as Change,
        upsert('agent', agent('too new'), 2 ** 53),
        upsert('q-value', q, V),
        upsert('q-value', { ...q, agentId: 'fine' }, V),
        upsert('experience', experience('e1', 1, 'taken'), V),
        upsert('experience', experience('e2', 1, 'fine'), V),
      ]);
      assert.deepEqual(
        outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : outcome.status)),
        [
          'applied',
          `key "${prefix}agent:taken" holds a string of somebody else`,
          'has 10004 fields, more than 10000',
          'attributes.x is not a finite number',
          'attributes.x contains half of a surrogate pair',
          'its key is "other", but its entity\'s is misnamed',
          'version 9007199254740992 is not a positive safe integer',
          `key "${prefix}q:taken" holds a string of somebody else`,
          'applied',
          `key "${prefix}exp:taken" holds a string of somebody else`,
          'applied',
        ],
      );
      assert.equal(await redis.get(`${prefix}agent:taken`), 'x');
      assert.deepEqual(await store.source.get('agent', ['taken']), [undefined]);
      // There is nothing to delete; that it was is remembered.
      assert.deepEqual(await statuses(store, [removal('agent', 'taken', V + 1)]), ['applied']);
      assert.equal(await redis.get(`${prefix}agent:taken`), 'x');
    }),
  );

  it(
    'is not an agent with thousands of attributes',
    withStore('target', async (_, store) => {
      const attributes = Object.fromEntries(
        Array.from({ length: 9_000 }, (_, n) => [`attribute ${n}`, `value ${n}`]),
      );
      const agent = { id: 'many', type: 'agent', active: true, attributes };
      assert.deepEqual(await statuses(store, [upsert('agent', agent, V)]), ['applied']);
      assert.deepEqual(await store.source.get('agent', ['many']), [{ version: V, entity: agent }]);
    }),
  );
});
