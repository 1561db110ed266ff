import { REDIS_KINDS } from '../../connectors/redis/layout.ts';
import { capturePlace } from '../connectors/redis-capture-support.ts';
import { captureContract } from './capture.ts';

captureContract('Redis', {
  kinds: REDIS_KINDS,
  place: async (outbox = {}) => capturePlace(outbox),
  concurrentClients: true,
  claimExpires: true,
});
