import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EntityOf } from '../../schemas/change.ts';
import { scanKeyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { compareScanKeys, WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { upsert } from '../support/changes.ts';
import { HOSTILE_TEXTS, sampleEntity } from '../support/entities.ts';
import { experienceText, scanAll, V, withStore } from './redis-support.ts';

describe('a scan of Redis', () => {
  it(
    'takes ids of any text out of keys, also those that mean something to a pattern',
    withStore('legacy', async ({ redis, prefix }, store) => {
      const ids = [...HOSTILE_TEXTS, '*', '?', '[a]', '\\', '{id}', ':', 'a\nb', '\u2028', '\u2029', '\r'];
      for (const id of ids) {
        await redis.hset(`${prefix}agent:${id}`, 'id', id);
        await redis.rpush(`${prefix}exp:${id}`, experienceText(`of ${id}`, 1));
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
    withStore('legacy', async ({ redis, prefix }, store) => {
      const LENGTH = 5_432;
      const numbers = Array.from({ length: LENGTH }, (_, n) => n);
      for (let start = 0; start < LENGTH; start += 1_000) {
        const some = numbers.slice(start, start + 1_000);
        await redis.hset(
          `${prefix}q:a`,
          ...some.flatMap((n) => [`s${n}|${-n}`, `{"value":${n},"visits":1}`]),
        );
        await redis.rpush(`${prefix}exp:a`, ...some.map((n) => experienceText(`e${n}`, n)));
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
    withStore('legacy', async ({ redis, prefix }, store) => {
      const LENGTH = 6_000;
      const texts = Array.from({ length: LENGTH }, (_, n) => experienceText(`e${n}`, n));
      for (let start = 0; start < LENGTH; start += 1_000)
        await redis.rpush(`${prefix}exp:a`, ...texts.slice(start, start + 1_000));
      const stop = new AbortController();
      const writer = (async () => {
        for (let n = 0; !stop.signal.aborted; n++) {
          await redis.rpush(`${prefix}exp:a`, experienceText(`new${n}`, LENGTH + n));
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
    withStore('legacy', async ({ redis, prefix }, store) => {
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
    withStore('legacy', async ({ redis, prefix, open }, store) => {
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
    withStore('legacy', async ({ open }, store) => {
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

  it(
    'stops when it is told to',
    withStore('legacy', async ({ redis, prefix }, store) => {
      await redis.hset(`${prefix}agent:a`, 'id', 'a');
      const stop = new AbortController();
      const scan = () =>
        Array.fromAsync(store.source.scan('agent', WHOLE_RANGE, { limit: 1, signal: stop.signal }));
      const underWay = scan();
      stop.abort(new Error('enough'));
      await assert.rejects(underWay, /enough/);
      await assert.rejects(scan(), /enough/);
      assert.equal((await scanAll(store, 'agent')).rows.length, 1);
    }),
  );
});
