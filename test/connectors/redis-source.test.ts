import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RejectedItem, ScanChunk, SourceRow, Store } from '../../connectors/connector.ts';
import type { EntityOf } from '../../schemas/change.ts';
import { scanKeyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { compareScanKeys, type ScanRange, WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { upsert } from '../support/changes.ts';
import { HOSTILE_TEXTS, sampleEntity } from '../support/entities.ts';
import { type RedisPlace, redisPlace } from './redis-support.ts';

const V = 1_700_000_000_000_000;

interface Scanned<K extends Kind> {
  readonly rows: readonly SourceRow<K>[];
  readonly rejected: readonly RejectedItem[];
  readonly chunks: readonly ScanChunk<K>[];
}

async function scanAll<K extends Kind>(
  store: Store,
  kind: K,
  range: ScanRange = WHOLE_RANGE,
  limit = 100,
): Promise<Scanned<K>> {
  const chunks = await Array.fromAsync(store.source.scan(kind, range, { limit }));
  return {
    rows: chunks.flatMap((chunk) => chunk.rows),
    rejected: chunks.flatMap((chunk) => chunk.rejected),
    chunks,
  };
}

/** A place with a store, for a test that plants what a legacy application would have written. */
function withLegacy(work: (place: RedisPlace, store: Store) => Promise<void>): () => Promise<void> {
  return async () => {
    const place = redisPlace();
    try {
      const store = await place.open('legacy');
      try {
        await work(place, store);
      } finally {
        await store.close();
      }
    } finally {
      await place.remove();
    }
  };
}

function experience(id: string, at: number, more: object = {}): string {
  const rest = { episode: 1, step: 2, state: 's', action: 0, reward: 0.5, nextState: 't', done: false };
  return JSON.stringify({ id, ...rest, at, ...more });
}

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
      .rpush(at('exp:ann'), experience('e2', 5), experience('e1', 9, { agentId: 'ann' }))
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

describe('bad input in Redis', () => {
  it(
    'is named with key, field and reason, and the rest goes on',
    withLegacy(async ({ redis, prefix }, store) => {
      await redis
        .pipeline()
        .hset(`${prefix}agent:good`, { id: 'good' })
        .hset(`${prefix}agent:liar`, { id: 'other' })
        .hset(`${prefix}agent:unsure`, { active: 'maybe' })
        .hset(`${prefix}agent:raw`, { name: Buffer.from([0xff, 0x41]) })
        .set(`${prefix}agent:text`, 'x')
        .hset(`${prefix}agent:`, { name: 'nobody' })
        .hset(Buffer.from(`${prefix}agent:\xff`, 'latin1'), 'id', 'x')
        .hset(`${prefix}q:a`, {
          'good|1': '{"value":1,"visits":1}',
          bar: '{}',
          'x|01': '{"value":1,"visits":1}',
        })
        .hset(`${prefix}q:a`, { '|1': '{}', 'nan|1': '{"value":NaN,"visits":1}', 'part|1': '{"value":1}' })
        .hset(`${prefix}q:a`, {
          'big|1': '{"value":1e999,"visits":1}',
          'more|1': '{"value":1,"visits":1,"who":"me"}',
        })
        .hset(`${prefix}q:a`, {
          'far|1': '{"value":1,"visits":1,"action":2}',
          [`${'x'.repeat(1_025)}|1`]: '{}',
        })
        .rpush(`${prefix}q:list`, 'x')
        .set(`${prefix}policy:good`, '{"algorithm":"x"}')
        .set(`${prefix}policy:broken`, '{"algorithm":')
        .set(`${prefix}policy:bare`, '"x"')
        .set(`${prefix}policy:nested`, '{"algorithm":"x","parameters":{"a":{}}}')
        .hset(`${prefix}policy:hash`, { a: 'b' })
        .hset(`${prefix}policies:good`, { '': '{"algorithm":"x"}' })
        .exec();
      const agents = await scanAll(store, 'agent');
      assert.deepEqual(
        agents.rows.map(({ key }) => key),
        ['good'],
      );
      assert.deepEqual(
        new Map(agents.rejected.map(({ where, reason }) => [where, reason])),
        new Map([
          [`key "${prefix}agent:"`, 'id is empty'],
          [`key "${prefix}agent:liar"`, 'its field id says "other"'],
          [`key "${prefix}agent:raw"`, 'is not UTF-8'],
          [`key "${prefix}agent:\\xff"`, 'its name is not UTF-8'],
          [`key "${prefix}agent:text"`, 'holds a string, not a hash'],
          [`key "${prefix}agent:unsure"`, 'active is neither true nor false: maybe'],
        ]),
      );

      const qValues = await scanAll(store, 'q-value');
      assert.deepEqual(
        qValues.rows.map(({ key }) => key),
        ['["a","good",1]'],
      );
      assert.deepEqual(
        new Map(
          qValues.rejected.map(({ where, reason }) => [
            where.slice(where.indexOf(prefix) + prefix.length),
            reason,
          ]),
        ),
        new Map([
          ['q:a", field "bar"', 'has no "|" between state and action'],
          ['q:a", field "x|01"', 'its action is no whole number'],
          ['q:a", field "|1"', 'its state is empty'],
          ['q:a", field "nan|1"', 'is not JSON'],
          ['q:a", field "part|1"', 'visits is not a whole number'],
          ['q:a", field "big|1"', 'value is not a finite number'],
          [
            'q:a", field "more|1"',
            'has a field "who" that the log has no place for (unknownFields: ignore drops it)',
          ],
          ['q:a", field "far|1"', 'its action is 2, but its key says 1'],
          [`q:a", field "${'x'.repeat(1_025)}|1"`, 'state is longer than 1024 bytes'],
          ['q:list"', 'holds no hash'],
        ]),
      );

      const policies = await scanAll(store, 'policy');
      assert.deepEqual(
        policies.rows.map(({ key }) => key),
        ['good'],
      );
      assert.deepEqual(
        policies.rejected.map(({ where, reason }) => [
          where.slice(where.indexOf(prefix) + prefix.length),
          reason,
        ]),
        [
          ['policy:bare"', 'is not a JSON object'],
          ['policy:broken"', 'is not JSON'],
          ['policies:good", field ""', 'a policy without a name here'],
          ['policy:hash"', 'holds a hash, not a string'],
          ['policy:nested"', 'parameters.a is not a finite number'],
        ],
      );
    }),
  );

  it(
    'in lists of experiences is named with its element; of a doubled id the first counts',
    withLegacy(async ({ redis, prefix }, store) => {
      await redis
        .pipeline()
        .rpush(`${prefix}exp:a`, experience('one', 1), 'not JSON', '[]', '{"at":3}', '{"id":7}', '{"id":""}')
        .rpush(
          `${prefix}exp:a`,
          experience('one', 9),
          experience('theirs', 2, { agentId: 'b' }),
          '{"id":"half"}',
        )
        .rpush(`${prefix}exp:a`, '{"id":"\\ud800"}', Buffer.from('"\xff"', 'latin1'))
        .rpush(`${prefix}exp:b`, experience('one', 5), experience('two', 6))
        .set(`${prefix}exp:c`, 'x')
        .exec();
      const { rows, rejected } = await scanAll(store, 'experience');
      assert.deepEqual(
        rows.map(({ key, entity }) => [key, entity.agentId, entity.at]),
        [
          ['one', 'a', 1],
          ['two', 'b', 6],
        ],
      );
      const element = (key: string, index: number) => `key "${prefix}exp:${key}", element ${index}`;
      assert.deepEqual(
        new Map(rejected.map(({ where, reason }) => [where, reason])),
        new Map([
          [element('a', 1), 'is not JSON'],
          [element('a', 2), 'is not a JSON object'],
          [element('a', 3), 'has no id'],
          [element('a', 4), 'has no id'],
          [element('a', 5), 'its id is empty'],
          [element('a', 6), `its id "one" stands in ${element('a', 0)} too`],
          [`key "${prefix}exp:a", the element with id "theirs"`, 'its agentId is "b", but its key says "a"'],
          [`key "${prefix}exp:a", the element with id "half"`, 'episode is not a whole number'],
          [element('a', 9), 'its id holds half a character'],
          [element('a', 10), 'is not UTF-8'],
          [element('b', 0), `its id "one" stands in ${element('a', 0)} too`],
          [`key "${prefix}exp:c"`, 'holds no list'],
        ]),
      );
      assert.equal((await store.source.get('experience', ['one']))[0]?.entity?.at, 1);
    }),
  );

  it(
    'is reported by exactly one of the ranges',
    withLegacy(async ({ redis, prefix }, store) => {
      const fields = Array.from({ length: 50 }, (_, n) => [
        `s${n}|1`,
        '{"value":1,"visits":1}',
        `bad${n}`,
        '{}',
      ]);
      await redis.hset(`${prefix}q:a`, ...fields.flat());
      const parts = await Promise.all(
        (await store.source.ranges('q-value', 7)).map((range) => scanAll(store, 'q-value', range, 3)),
      );
      assert.ok(parts.length > 3);
      assert.equal(parts.flatMap(({ rows }) => rows).length, 50);
      assert.equal(new Set(parts.flatMap(({ rejected }) => rejected).map(({ where }) => where)).size, 50);
      assert.equal(parts.flatMap(({ rejected }) => rejected).length, 50);
    }),
  );

  it('drops fields that have no place where the configuration says so', async () => {
    const place = redisPlace();
    const store = await place.open('legacy', { unknownFields: 'ignore' });
    try {
      await place.redis.hset(`${place.prefix}q:a`, { 's|1': '{"value":1,"visits":1,"who":"me"}' });
      assert.equal((await scanAll(store, 'q-value')).rows.length, 1);
    } finally {
      await store.close();
      await place.remove();
    }
  });
});

describe('a scan of Redis', () => {
  it(
    'takes ids of any text out of keys, also those that mean something to a pattern',
    withLegacy(async ({ redis, prefix }, store) => {
      const ids = [...HOSTILE_TEXTS, '*', '?', '[a]', '\\', '{id}', ':', 'a\nb', '\u2028', '\u2029', '\r'];
      for (const id of ids) {
        await redis.hset(`${prefix}agent:${id}`, 'id', id);
        await redis.rpush(`${prefix}exp:${id}`, experience(`of ${id}`, 1));
      }
      // What must not be taken for ours.
      await redis.set(`${prefix}agentx:a`, '');
      for (const kind of ['agent', 'experience'] as const) {
        const { rows, rejected } = await scanAll(store, kind, WHOLE_RANGE, 7);
        assert.deepEqual(rejected, []);
        assert.equal(rows.length, ids.length);
        const places = rows.map((row) => scanKeyOf(kind, row.entity as never));
        assert.deepEqual(places, places.toSorted(compareScanKeys));
      }
      const held = await store.source.get('agent', ids);
      assert.deepEqual(
        held.map((one) => one?.entity?.id),
        ids,
      );
    }),
  );

  it(
    'reads hashes and lists of any length in bounded pieces',
    withLegacy(async ({ redis, prefix }, store) => {
      const LENGTH = 5_432;
      const numbers = Array.from({ length: LENGTH }, (_, n) => n);
      for (let start = 0; start < LENGTH; start += 1_000) {
        const some = numbers.slice(start, start + 1_000);
        await redis.hset(
          `${prefix}q:a`,
          ...some.flatMap((n) => [`s${n}|${-n}`, `{"value":${n},"visits":1}`]),
        );
        await redis.rpush(`${prefix}exp:a`, ...some.map((n) => experience(`e${n}`, n)));
      }
      for (const kind of ['q-value', 'experience'] as const) {
        const { rows, rejected, chunks } = await scanAll(store, kind, WHOLE_RANGE, 500);
        assert.deepEqual(rejected, []);
        assert.equal(new Set(rows.map(({ key }) => key)).size, LENGTH);
        assert.ok(chunks.every((chunk) => chunk.rows.length <= 500));
        assert.equal(await store.source.count(kind), LENGTH);
      }
    }),
  );

  it(
    'meets what is there all the while although the list moves under it',
    withLegacy(async ({ redis, prefix }, store) => {
      const LENGTH = 6_000;
      const texts = Array.from({ length: LENGTH }, (_, n) => experience(`e${n}`, n));
      for (let start = 0; start < LENGTH; start += 1_000)
        await redis.rpush(`${prefix}exp:a`, ...texts.slice(start, start + 1_000));
      const stop = new AbortController();
      const writer = (async () => {
        for (let n = 0; !stop.signal.aborted; n++) {
          await redis.rpush(`${prefix}exp:a`, experience(`new${n}`, LENGTH + n));
          await redis.lpop(`${prefix}exp:a`);
          if (n % 7 === 0 && n < 1_000) await redis.lrem(`${prefix}exp:a`, 1, texts[LENGTH - 1 - n] ?? '');
        }
        return redis.lrange(`${prefix}exp:a`, 0, -1);
      })();
      const { rows } = await scanAll(store, 'experience');
      stop.abort();
      const left = (await writer).map((text) => (JSON.parse(text) as { id: string }).id);
      const keys = rows.map(({ key }) => key);
      assert.equal(new Set(keys).size, keys.length);
      const met = new Set(keys);
      assert.deepEqual(
        left.filter((id) => !id.startsWith('new') && !met.has(id)),
        [],
      );
    }),
  );

  it(
    'sees what came since the last one, also where it goes on in the middle of a range',
    withLegacy(async ({ redis, prefix }, store) => {
      await redis.hset(`${prefix}agent:b`, 'id', 'b');
      assert.equal((await scanAll(store, 'agent')).rows.length, 1);
      await redis.hset(`${prefix}agent:a`, 'id', 'a');
      assert.equal((await scanAll(store, 'agent')).rows.length, 2);
      await store.source.ranges('agent', 1);
      const rest = await scanAll(store, 'agent', { after: ['a'], until: null });
      assert.deepEqual(
        rest.rows.map(({ key }) => key),
        ['b'],
      );
    }),
  );

  it(
    'goes on in another process where the last one stopped',
    withLegacy(async ({ redis, prefix, open }, store) => {
      const fields = Array.from({ length: 100 }, (_, n) => [`s${n}|1`, '{"value":1,"visits":1}']);
      await redis.hset(`${prefix}q:a`, ...fields.flat());
      const all = await scanAll(store, 'q-value', WHOLE_RANGE, 30);
      const other = await open('legacy');
      try {
        const last = all.chunks[1]?.last ?? null;
        const rest = await scanAll(other, 'q-value', { after: last, until: null });
        assert.deepEqual(rest.rows, all.rows.slice(60));
      } finally {
        await other.close();
      }
    }),
  );

  it(
    'gives a version that is never newer than the content, while others write',
    withLegacy(async ({ open }, store) => {
      const writer = await open('legacy');
      const stop = new AbortController();
      const kinds = ['agent', 'q-value', 'policy', 'experience'] as const;
      const variantOf = (kind: Kind, entity: EntityOf[Kind]): unknown =>
        ({
          agent: (entity as EntityOf['agent']).attributes?.variant,
          'q-value': (entity as EntityOf['q-value']).visits,
          policy: (entity as EntityOf['policy']).revision,
          experience: (entity as EntityOf['experience']).episode,
        })[kind as (typeof kinds)[number]];
      const writing = (async () => {
        for (let variant = 1; !stop.signal.aborted; variant++) {
          const names = ['a', 'b', 'c'];
          await writer.sink.apply(
            kinds.flatMap((kind) =>
              names.map((name) => upsert(kind, sampleEntity(kind, { name, variant }), V + variant)),
            ),
          );
        }
      })();
      for (let round = 0; round < 20; round++) {
        for (const kind of kinds) {
          for (const { version, entity } of (await scanAll<Kind>(store, kind)).rows) {
            assert.equal(variantOf(kind, entity), (version ?? 0) - V, kind);
          }
        }
      }
      stop.abort();
      await writing;
      await writer.close();
    }),
  );
});
