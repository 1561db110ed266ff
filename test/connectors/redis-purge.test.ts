import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { openRedis } from '../../connectors/redis/client/open-client.ts';
import { layoutOf, REDIS_KINDS } from '../../connectors/redis/layout.ts';
import { openUpkeep } from '../../connectors/redis/upkeep.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { upkeepContract } from '../contract/upkeep.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { redisPlace, withStore } from './redis-support.ts';

for (const role of ['legacy', 'target'] as const) {
  const place = redisPlace();
  after(() => place.remove());

  upkeepContract(`Redis as ${role}`, {
    kinds: REDIS_KINDS,
    open: async () => {
      const store = await place.open(role);
      await store.prepare();
      return store;
    },
    reopen: () => place.open(role),
  });
}

describe('a purge of Redis', () => {
  it(
    'looks again in the step in which it removes: what was written after it was found stays',
    withStore('target', async ({ options }, store) => {
      const back = upsert('agent', sampleEntity('agent', { name: 'back' }), 60);
      await store.sink.apply(['deleted anew', back.key, 'old'].map((key) => removal('agent', key, 10)));
      const client = await openRedis(options, { logger: silentLogger, clock: systemClock });
      try {
        const upkeep = openUpkeep({
          client: {
            where: client.where,
            run: (script, keys, args) => client.run(script, keys, args),
            batch: (commands, read) => client.batch(commands, read),
            parts: () => client.parts(),
            info: () => client.info(),
            close: () => client.close(),
            // A page has been read; then the sink is at work.
            call: async (work) => {
              const page = await client.call(work);
              await store.sink.apply([removal('agent', 'deleted anew', 50), back]);
              return page;
            },
          },
          layout: layoutOf(options),
          kinds: ['agent'],
        });
        assert.deepEqual(await Array.fromAsync(upkeep.purgeTombstones('agent', 20)), [1]);
      } finally {
        await client.close();
      }
      const [anew, alive, old] = await store.source.get('agent', ['deleted anew', back.key, 'old']);
      assert.deepEqual(anew, { version: 50, entity: null });
      assert.equal(alive?.version, 60);
      assert.equal(old, undefined);
    }),
  );
});
