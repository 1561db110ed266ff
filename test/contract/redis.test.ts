import { after } from 'node:test';
import { REDIS_KINDS } from '../../connectors/redis/layout.ts';
import { redisPlace } from '../connectors/redis-support.ts';
import { storeContract } from './store.ts';

for (const role of ['legacy', 'target'] as const) {
  const place = redisPlace();

  storeContract(`Redis as ${role}`, {
    kinds: REDIS_KINDS,
    open: async () => {
      const store = await place.open(role);
      await store.prepare();
      return store;
    },
    reopen: () => place.open(role),
    rounds: 30,
  });

  after(() => place.remove());
}
