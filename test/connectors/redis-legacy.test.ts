import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import type { Store } from '../../connectors/connector.ts';
import { scanKeyOf } from '../../schemas/keys.ts';
import { compareScanKeys } from '../../schemas/scan-order.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { experience, experienceText, redisPlace, scanAll, V } from './redis-support.ts';

describe('Redis as an application left it', () => {
  const place = redisPlace();
  const at = (rest: string) => place.prefix + rest;
  let store: Store;
  before(async () => {
    store = await place.open('legacy');
    await place.redis
      .pipeline()
      .hset(at('agent:ann'), {
        id: 'ann',
        type: 'citizen',
        active: 'true',
        age: '30',
        name: 'Ann',
        zip: '007',
      })
      .hset(at('agent:bare'), { name: 'Bare' })
      .hset(at('q:ann'), {
        'left|right|1': '{"value":-0.0,"visits":3}',
        '|2|-1': '{"value":5e-324,"visits":0}',
      })
      .set(
        at('policy:ann'),
        '{"algorithm":"q-learning","parameters":{"alpha":0.1,"none":null},"actions":{"0":1}}',
      )
      .hset(at('policies:ann'), { night: '{"algorithm":"greedy","environment":"grid","revision":4}' })
      .rpush(at('exp:ann'), experienceText('e2', 5), experienceText('e1', 9, { agentId: 'ann' }))
      .exec();
  });
  after(async () => {
    await store.close();
    await place.remove();
  });

  it('is read without anything of ours in it, and without a version', async () => {
    const agents = await scanAll(store, 'agent');
    assert.deepEqual(agents.rejected, []);
    assert.deepEqual(agents.rows, [
      {
        key: 'ann',
        version: null,
        entity: {
          id: 'ann',
          type: 'citizen',
          active: true,
          attributes: { age: 30, name: 'Ann', zip: '007' },
        },
      },
      {
        key: 'bare',
        version: null,
        entity: { id: 'bare', type: 'agent', active: true, attributes: { name: 'Bare' } },
      },
    ]);
    const keys = await place.redis.keys(`${place.prefix}changeover:*`);
    assert.deepEqual(keys, []);
  });

  it('parts a Q-value’s field at its last bar, and keeps every bit', async () => {
    const { rows } = await scanAll(store, 'q-value');
    assert.deepEqual(
      rows.map(({ entity }) => entity),
      [
        { agentId: 'ann', state: 'left|right', action: 1, value: -0, visits: 3 },
        { agentId: 'ann', state: '|2', action: -1, value: 5e-324, visits: 0 },
      ].toSorted((a, b) => compareScanKeys(scanKeyOf('q-value', a), scanKeyOf('q-value', b))),
    );
  });

  it('has policies with and without names', async () => {
    const { rows } = await scanAll(store, 'policy');
    assert.deepEqual(
      rows.map(({ key, entity }) => [key, entity]),
      [
        [
          'ann',
          {
            agentId: 'ann',
            name: '',
            algorithm: 'q-learning',
            environment: null,
            parameters: { alpha: 0.1 },
            actions: { '0': 1 },
            revision: 0,
          },
        ],
        [
          '["ann","night"]',
          {
            agentId: 'ann',
            name: 'night',
            algorithm: 'greedy',
            environment: 'grid',
            parameters: {},
            actions: {},
            revision: 4,
          },
        ],
      ],
    );
  });

  it('has its experiences in the order of their ids, and answers for each by id alone', async () => {
    const { rows } = await scanAll(store, 'experience');
    assert.deepEqual(
      rows.map(({ key, version, entity }) => [key, version, entity.agentId, entity.at]),
      [
        ['e1', null, 'ann', 9],
        ['e2', null, 'ann', 5],
      ],
    );
    const held = await store.source.get('experience', ['e2', 'nowhere', 'e1']);
    assert.deepEqual(
      held.map((one) => one?.entity?.at),
      [5, undefined, 9],
    );
  });

  it('counts what there is', async () => {
    const counts = await Promise.all(
      (['agent', 'q-value', 'policy', 'experience'] as const).map((kind) => store.source.count(kind)),
    );
    assert.deepEqual(counts, [2, 2, 2, 2]);
  });
});

describe('a raw client of Redis', () => {
  it('sees what the sink wrote in the shapes of the legacy application', async () => {
    const place = redisPlace();
    const store = await place.open('legacy');
    const redis = new Redis(String(place.options.url));
    try {
      const policy = {
        ...sampleEntity('policy', { name: 'ann' }),
        parameters: { alpha: 0.1 },
        actions: { s: 2 },
      };
      await store.sink.apply([
        upsert(
          'agent',
          {
            id: 'ann',
            type: 'citizen',
            active: true,
            attributes: { age: 30, zip: '007', note: '5', id: 'x' },
          },
          V,
        ),
        upsert('q-value', { agentId: 'ann', state: 'a|b', action: -1, value: -0, visits: 3 }, V),
        upsert('policy', policy, V),
        upsert('policy', { ...policy, name: 'night' }, V),
        upsert('experience', experience('e', 1, 'ann'), V),
      ]);
      const json =
        '{"algorithm":"q-learning","environment":null,"parameters":{"alpha":0.1},"actions":{"s":2},"revision":0}';
      assert.deepEqual(await redis.hgetall(`${place.prefix}agent:ann`), {
        id: 'ann',
        type: 'citizen',
        active: 'true',
        age: '30',
        zip: '007',
        note: '"5"',
        _attr_id: 'x',
      });
      assert.deepEqual(await redis.hgetall(`${place.prefix}q:ann`), { 'a|b|-1': '{"value":-0,"visits":3}' });
      assert.equal(await redis.get(`${place.prefix}policy:ann`), json);
      assert.deepEqual(await redis.hgetall(`${place.prefix}policies:ann`), { night: json });
      assert.deepEqual(await redis.lrange(`${place.prefix}exp:ann`, 0, -1), [
        '{"id":"e","agentId":"ann","episode":1,"step":2,"state":"s","action":0,"reward":0.5,"nextState":"t","done":false,"at":1}',
      ]);
    } finally {
      redis.disconnect();
      await store.close();
      await place.remove();
    }
  });
});
