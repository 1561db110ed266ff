import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RejectedItem } from '../../connectors/connector.ts';
import { experienceText, redisPlace, scanAll, withStore } from './redis-support.ts';

/** Reason by where, without what all places of a test have in common. */
function reasonsByPlace(rejected: readonly RejectedItem[], prefix: string): ReadonlyMap<string, string> {
  return new Map(rejected.map(({ where, reason }) => [where.replace(`key "${prefix}`, ''), reason]));
}

describe('bad input in Redis', () => {
  it(
    'among agents is named with key and reason, and the rest goes on',
    withStore('legacy', async ({ redis, prefix }, store) => {
      await redis
        .pipeline()
        .hset(`${prefix}agent:good`, { id: 'good' })
        .hset(`${prefix}agent:liar`, { id: 'other' })
        .hset(`${prefix}agent:unsure`, { active: 'maybe' })
        .hset(`${prefix}agent:raw`, { name: Buffer.from([0xff, 0x41]) })
        .set(`${prefix}agent:text`, 'x')
        .hset(`${prefix}agent:`, { name: 'nobody' })
        .hset(Buffer.from(`${prefix}agent:\xff`, 'latin1'), 'id', 'x')
        .exec();
      const { rows, rejected } = await scanAll(store, 'agent');
      assert.deepEqual(
        rows.map(({ key }) => key),
        ['good'],
      );
      assert.deepEqual(
        reasonsByPlace(rejected, prefix),
        new Map([
          ['agent:"', 'id is empty'],
          ['agent:liar"', 'its field id says "other"'],
          ['agent:raw"', 'is not UTF-8'],
          ['agent:\\xff"', 'its name is not UTF-8'],
          ['agent:text"', 'holds a string, not a hash'],
          ['agent:unsure"', 'active is neither true nor false: maybe'],
        ]),
      );
    }),
  );

  it(
    'among Q-values is named with key, field and reason, and the rest goes on',
    withStore('legacy', async ({ redis, prefix }, store) => {
      const long = 'x'.repeat(1_025);
      await redis.rpush(`${prefix}q:list`, 'x');
      await redis.hset(`${prefix}q:a`, {
        'good|1': '{"value":1,"visits":1}',
        bar: '{}',
        'x|01': '{"value":1,"visits":1}',
        '|1': '{}',
        'nan|1': '{"value":NaN,"visits":1}',
        'part|1': '{"value":1}',
        'big|1': '{"value":1e999,"visits":1}',
        'more|1': '{"value":1,"visits":1,"who":"me"}',
        'far|1': '{"value":1,"visits":1,"action":2}',
        [`${long}|1`]: '{}',
      });
      const { rows, rejected } = await scanAll(store, 'q-value');
      assert.deepEqual(
        rows.map(({ key }) => key),
        ['["a","good",1]'],
      );
      assert.deepEqual(
        reasonsByPlace(rejected, prefix),
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
          [`q:a", field "${long}|1"`, 'state is longer than 1024 bytes'],
          ['q:list"', 'holds no hash'],
        ]),
      );
    }),
  );

  it(
    'among policies is named with key and reason, and the rest goes on',
    withStore('legacy', async ({ redis, prefix }, store) => {
      await redis
        .pipeline()
        .set(`${prefix}policy:good`, '{"algorithm":"x"}')
        .set(`${prefix}policy:broken`, '{"algorithm":')
        .set(`${prefix}policy:bare`, '"x"')
        .set(`${prefix}policy:nested`, '{"algorithm":"x","parameters":{"a":{}}}')
        .hset(`${prefix}policy:hash`, { a: 'b' })
        .hset(`${prefix}policies:good`, { '': '{"algorithm":"x"}' })
        .exec();
      const { rows, rejected } = await scanAll(store, 'policy');
      assert.deepEqual(
        rows.map(({ key }) => key),
        ['good'],
      );
      assert.deepEqual(
        reasonsByPlace(rejected, prefix),
        new Map([
          ['policy:bare"', 'is not a JSON object'],
          ['policy:broken"', 'is not JSON'],
          ['policies:good", field ""', 'a policy without a name here'],
          ['policy:hash"', 'holds a hash, not a string'],
          ['policy:nested"', 'parameters.a is not a finite number'],
        ]),
      );
    }),
  );

  it(
    'in lists of experiences is named with its element; of a doubled id the first counts',
    withStore('legacy', async ({ redis, prefix }, store) => {
      await redis
        .pipeline()
        .rpush(
          `${prefix}exp:a`,
          experienceText('one', 1),
          'not JSON',
          '[]',
          '{"at":3}',
          '{"id":7}',
          '{"id":""}',
        )
        .rpush(
          `${prefix}exp:a`,
          experienceText('one', 9),
          experienceText('theirs', 2, { agentId: 'b' }),
          '{"id":"half"}',
        )
        .rpush(`${prefix}exp:a`, '{"id":"\\ud800"}', Buffer.from('"\xff"', 'latin1'))
        .rpush(`${prefix}exp:b`, experienceText('one', 5), experienceText('two', 6))
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
    withStore('legacy', async ({ redis, prefix }, store) => {
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
