import { after } from 'node:test';
import { REDIS_KINDS } from '../../connectors/redis/layout.ts';
import { clusterPlace } from '../connectors/redis-cluster-support.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { storeContract } from './store.ts';

const cluster = await startRedisCluster();
const place = clusterPlace(cluster);

// Not experiences: the guard of an id does not span the slots of all lists (docs/decisions/0015-redis-capture.md).
storeContract('Redis Cluster as legacy', {
  kinds: REDIS_KINDS.filter((kind) => kind !== 'experience'),
  open: async () => {
    const store = await place.open();
    await store.prepare();
    return store;
  },
  reopen: () => place.open(),
  rounds: 10,
});

after(async () => {
  await place.remove();
  await cluster.stop();
});
