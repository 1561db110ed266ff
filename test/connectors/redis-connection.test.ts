import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { APPLY_EXPERIENCES, READ_EXPERIENCES } from '../../connectors/redis/apply/experience-scripts.ts';
import { openServer } from '../../connectors/redis/client/client.ts';
import { REDIS_KINDS } from '../../connectors/redis/layout.ts';
import type { RedisOptions } from '../../connectors/redis/options.ts';
import { systemClock } from '../../core/clock.ts';
import { isRetryable } from '../../core/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Change } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { uniqueName } from '../support/names.ts';
import {
  experience,
  openStore,
  type RedisPlace,
  redisPlace,
  statuses,
  V,
  withStore,
} from './redis-support.ts';

describe('the scripts for experiences', () => {
  it('take on nothing more after so many elements, and answer for what they got to', async () => {
    const place = redisPlace();
    const client = await openServer(place.options, { logger: silentLogger, clock: systemClock });
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

/** A user of its own, so that just its connections can be cut. */
async function userOf({ redis, prefix, options }: RedisPlace): Promise<RedisOptions> {
  const username = uniqueName('user');
  await redis.acl('SETUSER', username, 'on', '>secret', `~${prefix}*`, '~changeover:places', '+@all');
  const { hostname: host, port } = new URL(String(options.url));
  return { ...options, url: undefined, host, port: Number(port), username, password: 'secret' };
}

function cutAgainAndAgain(redis: Redis, username: string, signal: AbortSignal): Promise<void> {
  const cut = async () => {
    while (!signal.aborted) {
      await redis.client('KILL', 'USER', username);
      await setTimeout(10);
    }
  };
  return cut();
}

/** The same keys of every kind, in another state each round. */
function batchOf(round: number): readonly Change[] {
  return Array.from({ length: 300 }, (_, n) =>
    REDIS_KINDS.map((kind) => {
      const variant = round * 1_000 + n;
      return upsert(kind, sampleEntity(kind, { name: `n${n}`, variant }), V + variant);
    }),
  ).flat();
}

describe('a connection to Redis that breaks', () => {
  it(
    'in mid-batch costs nothing: the batch is offered again, by us or by the caller',
    withStore('target', async (place, store) => {
      const options = await userOf(place);
      const username = String(options.username);
      const impatient = await openStore({ ...options, attempts: 1 }, 'target');
      const stop = new AbortController();
      const cutting = cutAgainAndAgain(place.redis, username, stop.signal);
      let failures = 0;
      let round = 0;
      try {
        for (; round < 100 && failures < 5; round++) {
          const outcome = await impatient.sink.apply(batchOf(round)).catch((error: unknown) => error);
          if (!(outcome instanceof Error)) continue;
          assert.ok(isRetryable(outcome), String(outcome));
          failures++;
          await setTimeout(20);
        }
      } finally {
        stop.abort();
        await cutting;
      }
      const patient = await openStore(options, 'target');
      try {
        assert.ok(failures > 0, 'the connection never broke in mid-batch');
        const last = batchOf(round);
        const applying = patient.sink.apply(last);
        await place.redis.client('KILL', 'USER', username);
        // Stale is what had been written before its answer was lost.
        assert.ok((await applying).every(({ status }) => status !== 'rejected'));
        for (const kind of REDIS_KINDS) {
          const ofKind = last.filter((change) => change.kind === kind);
          const keys = ofKind.map(({ key }) => key);
          const held = ofKind.map(({ version, after }) => ({ version, entity: after }));
          assert.deepEqual(await store.source.get<Kind>(kind, keys), held);
        }
      } finally {
        await Promise.all([impatient.close(), patient.close()]);
        await place.redis.acl('DELUSER', username);
      }
    }),
  );

  it(
    'is made again, and scripts that the server has forgotten are sent again',
    withStore('target', async ({ redis }, store) => {
      const change = (version: number) => upsert('agent', sampleEntity('agent', { name: 'a' }), version);
      await store.sink.apply([change(V)]);
      await redis.script('FLUSH');
      assert.deepEqual(await statuses(store, [change(V + 1)]), ['applied']);
    }),
  );
});
