import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Redis } from 'ioredis';
import type { Outcome, Store } from '../../connectors/connector.ts';
import { openRedis } from '../../connectors/redis/client.ts';
import { APPLY_EXPERIENCES, READ_EXPERIENCES } from '../../connectors/redis/experience-scripts.ts';
import { systemClock } from '../../core/clock.ts';
import { isRetryable } from '../../core/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Change, Experience } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { uniqueName } from '../support/names.ts';
import { openStore, type RedisPlace, redisPlace } from './redis-support.ts';

const V = 1_700_000_000_000_000;
const KINDS = ['agent', 'q-value', 'policy', 'experience'] as const;

function withStore(work: (place: RedisPlace, store: Store) => Promise<void>): () => Promise<void> {
  return async () => {
    const place = redisPlace();
    try {
      const store = await place.open('target');
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

function experience(id: string, at: number, agentId = 'a', more: Partial<Experience> = {}): Experience {
  const rest = { episode: 1, step: 2, state: 's', action: 0, reward: 0.5, nextState: 't', done: false };
  return { id, agentId, ...rest, at, ...more };
}

async function statuses(store: Store, changes: readonly Change[]): Promise<readonly Outcome['status'][]> {
  return (await store.sink.apply(changes)).map(({ status }) => status);
}

async function idsIn({ redis, prefix }: RedisPlace, agentId: string): Promise<readonly string[]> {
  const texts = await redis.lrange(`${prefix}exp:${agentId}`, 0, -1);
  return texts.map((text) => (JSON.parse(text) as Experience).id);
}

describe('the guard in Redis', () => {
  it(
    'tells versions of 16 digits apart that differ in the last one',
    withStore(async (place, store) => {
      const newest = Number.MAX_SAFE_INTEGER;
      for (const kind of KINDS) {
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
    withStore(async ({ redis, prefix }, store) => {
      const at = (name: string) => sampleEntity('agent', { name });
      await store.sink.apply([upsert('agent', at('a'), V + 5), upsert('agent', at('b'), V + 9)]);
      await store.sink.apply([upsert('experience', experience('e', 1), V + 7)]);
      assert.equal(await redis.get(`${prefix}changeover:clock`), String(V + 9));
    }),
  );

  it(
    'lets two clients write the same keys at once without mixing one state with another’s version',
    withStore(async (place, store) => {
      const other = await place.open('target');
      try {
        for (const kind of KINDS) {
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
    withStore(async ({ redis, prefix }, store) => {
      await redis.hset(`${prefix}changeover:versions:agent`, 'b', 'seventeen');
      const batch = ['a', 'b'].map((name) => upsert('agent', sampleEntity('agent', { name }), V));
      await assert.rejects(store.sink.apply(batch), { code: 'mismatch', message: /bookkeeping/ });
      await assert.rejects(store.source.get('agent', ['b']), { code: 'mismatch', message: /seventeen/ });
      assert.equal(await redis.exists(`${prefix}agent:a`), 0);
    }),
  );
});

describe('what Redis cannot hold', () => {
  it(
    'is rejected with its reason, and the rest of the batch is applied',
    withStore(async ({ redis, prefix }, store) => {
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
    withStore(async (_, store) => {
      const attributes = Object.fromEntries(
        Array.from({ length: 9_000 }, (_, n) => [`attribute ${n}`, `value ${n}`]),
      );
      const agent = { id: 'many', type: 'agent', active: true, attributes };
      assert.deepEqual(await statuses(store, [upsert('agent', agent, V)]), ['applied']);
      assert.deepEqual(await store.source.get('agent', ['many']), [{ version: V, entity: agent }]);
    }),
  );
});

describe('experiences in their list', () => {
  it(
    'stand by time and id, in whatever order they come, and are replaced and removed by id',
    withStore(async (place, store) => {
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
    withStore(async (place, store) => {
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
    withStore(async (place, store) => {
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
    withStore(async (place, store) => {
      const given = [experience('x', 3), experience('y', 4), experience('z', 5), experience('x', 50)];
      await place.redis.rpush(`${place.prefix}exp:a`, ...given.map((one) => JSON.stringify(one)));
      await store.sink.apply([upsert('experience', experience('x', 60), V)]);
      assert.deepEqual(await idsIn(place, 'a'), ['y', 'z', 'x']);
    }),
  );

  it(
    'count where the versions say that they are, not where an application wrote them too',
    withStore(async (place, store) => {
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
    withStore(async (place, store) => {
      await store.sink.apply([1, 2, 3].map((n) => upsert('experience', experience(`e${n}`, n), V)));
      await place.redis.rpush(`${place.prefix}exp:a`, JSON.stringify(experience('wild', 4)));
      assert.deepEqual(await statuses(store, [upsert('experience', experience('wild', 4), V)]), ['applied']);
      assert.deepEqual(await idsIn(place, 'a'), ['e1', 'e2', 'e3', 'wild']);
    }),
  );

  it(
    'of a long disordered list are worked off in several calls, none of them long',
    withStore(async ({ redis, prefix }, store) => {
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

describe('the scripts for experiences', () => {
  it('take on nothing more after so many elements, and answer for what they got to', async () => {
    const place = redisPlace();
    const client = await openRedis(place.options, { logger: silentLogger, clock: systemClock });
    const at = (rest: string) => place.prefix + rest;
    try {
      const keys = [at('versions'), at('clock'), at('listed')];
      await place.redis.sadd(at('listed'), '');
      // At one time all of them, so that each is looked at until the wanted one is met.
      const texts = Array.from({ length: 100 }, (_, n) => JSON.stringify(experience(`e${n}`, 1)));
      await place.redis.rpush(at('exp:a'), ...texts);
      await place.redis.hset(at('versions'), ...texts.flatMap((_, n) => [`e${n}`, '0 1 a']));
      const removals = Array.from({ length: 10 }, (_, n) => [`e${99 - n}`, '5', '', '', '']);
      const written = await client.run(APPLY_EXPERIENCES, keys, [
        at('exp:'),
        '',
        '250',
        '5',
        ...removals.flat(),
      ]);
      assert.equal((written as Buffer[]).length, 3);
      const reads = Array.from({ length: 10 }, (_, n) => [`e${90 - n}`, '', '', '']);
      const read = await client.run(READ_EXPERIENCES, keys.slice(0, 1), [
        at('exp:'),
        '',
        '250',
        '9999999',
        ...reads.flat(),
      ]);
      assert.equal((read as Buffer[]).length, 3);
      const little = await client.run(READ_EXPERIENCES, keys.slice(0, 1), [
        at('exp:'),
        '',
        '9999',
        '1',
        ...reads.flat(),
      ]);
      assert.equal((little as Buffer[]).length, 1);
      // It has moved to another list since it was enumerated, or an application wrote it there too.
      await place.redis.rpush(at('exp:b'), texts[0] ?? '');
      const moved = await client.run(READ_EXPERIENCES, keys.slice(0, 1), [
        at('exp:'),
        '',
        '250',
        '1',
        'e0',
        'b',
        '0',
        '1',
      ]);
      assert.deepEqual(moved, [[Buffer.from('0 1 a'), null, Buffer.from('b')]]);
    } finally {
      await client.close();
      await place.remove();
    }
  });
});

describe('a connection to Redis that breaks', () => {
  it(
    'in mid-batch costs nothing: the batch is offered again, by us or by the caller',
    withStore(async (place, _) => {
      const { redis, prefix } = place;
      const user = uniqueName('user');
      await redis.acl('SETUSER', user, 'on', '>secret', `~${prefix}*`, '~changeover:places', '+@all');
      const given = { username: user, password: 'secret' };
      const url = new URL(String(place.options.url));
      const options = {
        ...place.options,
        ...given,
        url: undefined,
        host: url.hostname,
        port: Number(url.port),
      };
      const patient = await openStore(options, 'target');
      const impatient = await openStore({ ...options, attempts: 1 }, 'target');
      const stop = new AbortController();
      const killer = (async () => {
        while (!stop.signal.aborted) {
          await redis.client('KILL', 'USER', user);
          await new Promise((resolve) => setTimeout(resolve, 15));
        }
      })();
      try {
        const changes = Array.from({ length: 600 }, (_, n) =>
          KINDS.map((kind) => upsert(kind, sampleEntity(kind, { name: `n${n}`, variant: n }), V + n)),
        ).flat();
        let failures = 0;
        await patient.sink
          .apply(changes.slice(0, 400))
          .catch((error: unknown) => assert.ok(isRetryable(error)));
        for (let tries = 0; tries < 200; tries++) {
          try {
            await impatient.sink.apply(changes);
            break;
          } catch (error) {
            assert.ok(isRetryable(error), String(error));
            failures++;
            if (failures > 20) stop.abort();
            await new Promise((resolve) => setTimeout(resolve, 30));
          }
        }
        stop.abort();
        await killer;
        assert.ok(failures > 0, 'the connection never broke in mid-batch');
        assert.deepEqual(new Set(await statuses(impatient, changes)), new Set(['stale']));
        for (const kind of KINDS) {
          const ofKind = changes.filter((change) => change.kind === kind);
          const held = await patient.source.get<Kind>(
            kind,
            ofKind.map(({ key }) => key),
          );
          assert.deepEqual(
            held,
            ofKind.map(({ version, after }) => ({ version, entity: after })),
          );
        }
      } finally {
        stop.abort();
        await killer;
        await patient.close();
        await impatient.close();
        await redis.acl('DELUSER', user);
      }
    }),
  );

  it(
    'is made again, and scripts that the server has forgotten are sent again',
    withStore(async ({ redis }, store) => {
      const change = (version: number) => upsert('agent', sampleEntity('agent', { name: 'a' }), version);
      await store.sink.apply([change(V)]);
      await redis.script('FLUSH');
      assert.deepEqual(await statuses(store, [change(V + 1)]), ['applied']);
    }),
  );
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
