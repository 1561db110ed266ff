import { after } from 'node:test';
import { REDIS_KINDS } from '../../connectors/redis/layout.ts';
import { clusterPlace } from '../connectors/redis-cluster-support.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { captureContract } from './capture.ts';

const cluster = await startRedisCluster();
after(() => cluster.stop());

captureContract('Redis Cluster', {
  kinds: REDIS_KINDS,
  rejectsUnknownDeletes: ['experience'],
  // The bound is one of each outbox, so what is about the bound is in one slot.
  place: async (outbox = {}) => clusterPlace(cluster, { outbox, inOneSlot: outbox.maxEntries !== undefined }),
  concurrentClients: true,
  claimExpires: true,
});
