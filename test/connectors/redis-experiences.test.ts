import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Experience } from '../../schemas/change.ts';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { experience, type RedisPlace, statuses, V, withStore } from './redis-support.ts';

async function idsIn({ redis, prefix }: RedisPlace, agentId: string): Promise<readonly string[]> {
  const texts = await redis.lrange(`${prefix}exp:${agentId}`, 0, -1);
  return texts.map((text) => (JSON.parse(text) as Experience).id);
}

describe('experiences in their list', () => {
  it(
    'stand by time and id, in whatever order they come, and are replaced and removed by id',
    withStore('target', async (place, store) => {
      const given = [5, 1, 9, 3, 3, 7, 3, 1].map((at, n) => experience(`e${n}`, at));
      for (const one of given) await store.sink.apply([upsert('experience', one, V)]);
      const inOrder = ['e1', 'e7', 'e3', 'e4', 'e6', 'e0', 'e5', 'e2'];
      assert.deepEqual(await idsIn(place, 'a'), inOrder);
      await store.sink.apply([upsert('experience', experience('e4', 3, 'a', { reward: 8 }), V + 1)]);
      assert.deepEqual(await idsIn(place, 'a'), inOrder);
      assert.equal((await store.source.get('experience', ['e4']))[0]?.entity?.reward, 8);
      await store.sink.apply([
        upsert('experience', experience('e4', 8), V + 2),
        removal('experience', 'e3', V + 1),
      ]);
      assert.deepEqual(await idsIn(place, 'a'), ['e1', 'e7', 'e6', 'e0', 'e5', 'e4', 'e2']);
    }),
  );

  it(
    'move to another agent’s list, and leave no empty list behind',
    withStore('target', async (place, store) => {
      await store.sink.apply([upsert('experience', experience('e', 1, 'a'), V)]);
      await store.sink.apply([upsert('experience', experience('e', 1, 'b'), V + 1)]);
      assert.deepEqual([await idsIn(place, 'a'), await idsIn(place, 'b')], [[], ['e']]);
      await store.sink.apply([removal('experience', 'e', V + 2)]);
      await store.sink.apply([upsert('q-value', sampleEntity('q-value', { name: 'q' }), V)]);
      await store.sink.apply([
        removal('q-value', upsert('q-value', sampleEntity('q-value', { name: 'q' }), V).key, V + 1),
      ]);
      const left = (await place.redis.keys(`${place.prefix}*`)).map((key) => key.slice(place.prefix.length));
      assert.deepEqual(
        left.filter((key) => !key.startsWith('changeover:')),
        [],
      );
    }),
  );

  it(
    'are found where a legacy application wrote them: replaced and deleted, not doubled',
    withStore('target', async (place, store) => {
      const { redis, prefix } = place;
      // In no order of time, one twice, one broken; more than one page of listing.
      const many = Array.from({ length: 700 }, (_, n) => experience(`m${n}`, 10_000 - n));
      const texts = [experience('x', 50), ...many, experience('y', 7), experience('x', 3)].map((one) =>
        JSON.stringify(one),
      );
      await redis.rpush(`${prefix}exp:a`, 'broken', ...texts);
      await redis.rpush(`${prefix}exp:b`, JSON.stringify(experience('z', 1, 'b')));
      const answers = await statuses(store, [
        upsert('experience', experience('x', 60), V),
        upsert('experience', experience('m5', 9_995, 'a', { reward: 9 }), V),
        removal('experience', 'y', V),
        removal('experience', 'z', V),
        removal('experience', 'nowhere', V),
        upsert('experience', experience('new', 20_000), V),
      ]);
      assert.deepEqual(new Set(answers), new Set(['applied']));
      const texts2 = await redis.lrange(`${prefix}exp:a`, 0, -1);
      assert.equal(texts2.length, 1 + 700 + 1 + 1);
      const rows = (
        await Array.fromAsync(store.source.scan('experience', WHOLE_RANGE, { limit: 1_000 }))
      ).flatMap((chunk) => chunk.rows);
      const versions = new Map(rows.map(({ key, version }) => [key, version]));
      assert.equal(rows.length, 702);
      assert.deepEqual(
        ['x', 'm5', 'm6', 'new', 'y', 'z'].map((id) => versions.get(id)),
        [V, V, null, V, undefined, undefined],
      );
      assert.equal(await redis.exists(`${prefix}exp:b`), 0);
      const held = await store.source.get('experience', ['x', 'y', 'z', 'm6', 'never']);
      assert.deepEqual(
        held.map((one) => one && [one.version, one.entity?.at]),
        [[V, 60], [V, undefined], [V, undefined], [null, 9_994], undefined],
      );
    }),
  );

  it(
    'that stand twice in a legacy list are both replaced',
    withStore('target', async (place, store) => {
      const given = [experience('x', 3), experience('y', 4), experience('z', 5), experience('x', 50)];
      await place.redis.rpush(`${place.prefix}exp:a`, ...given.map((one) => JSON.stringify(one)));
      await store.sink.apply([upsert('experience', experience('x', 60), V)]);
      assert.deepEqual(await idsIn(place, 'a'), ['y', 'z', 'x']);
    }),
  );

  it(
    'count where the versions say that they are, not where an application wrote them too',
    withStore('target', async (place, store) => {
      await store.sink.apply([upsert('experience', experience('e', 1, 'b'), V)]);
      await place.redis.rpush(`${place.prefix}exp:a`, JSON.stringify(experience('e', 2)));
      const [chunk] = await Array.fromAsync(store.source.scan('experience', WHOLE_RANGE, { limit: 10 }));
      assert.deepEqual(
        chunk?.rows.map(({ version, entity }) => [version, entity.agentId]),
        [[V, 'b']],
      );
      assert.match(chunk?.rejected[0]?.where ?? '', /exp:a", element 0$/);
    }),
  );

  it(
    'that nobody told us of are replaced where they stand in time',
    withStore('target', async (place, store) => {
      await store.sink.apply([1, 2, 3].map((n) => upsert('experience', experience(`e${n}`, n), V)));
      await place.redis.rpush(`${place.prefix}exp:a`, JSON.stringify(experience('wild', 4)));
      assert.deepEqual(await statuses(store, [upsert('experience', experience('wild', 4), V)]), ['applied']);
      assert.deepEqual(await idsIn(place, 'a'), ['e1', 'e2', 'e3', 'wild']);
    }),
  );

  it(
    'of a long disordered list are worked off in several calls, none of them long',
    withStore('target', async ({ redis, prefix }, store) => {
      const LENGTH = 4_000;
      const texts = Array.from({ length: LENGTH }, (_, n) =>
        JSON.stringify(experience(`e${n}`, (n * 7_919) % LENGTH)),
      );
      await redis.rpush(`${prefix}exp:a`, ...texts);
      const removals = Array.from({ length: 30 }, (_, n) => removal('experience', `e${n * 100}`, V));
      assert.deepEqual(new Set(await statuses(store, removals)), new Set(['applied']));
      assert.equal(await redis.llen(`${prefix}exp:a`), LENGTH - 30);
    }),
  );
});
