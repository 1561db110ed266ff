import { Redis } from 'ioredis';
import type { Role, Store } from '../../connectors/connector.ts';
import { redisConnector } from '../../connectors/redis/connector.ts';
import { REDIS_KINDS } from '../../connectors/redis/layout.ts';
import { MARKS_KEY, type RedisOptions } from '../../connectors/redis/options.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';

/** What a test configures, before the defaults are filled in. */
type Given = Parameters<typeof redisConnector.options.parse>[0] & object;

/** A corner of the shared server: keys that no other test uses, a bare client to look at them, and their removal. */
export interface RedisPlace {
  readonly prefix: string;
  /** A bare client, as an application would have one. */
  readonly redis: Redis;
  readonly options: RedisOptions;
  open(role?: Role, given?: Given): Promise<Store>;
  remove(): Promise<void>;
}

export function redisOptions(given: Given): RedisOptions {
  return redisConnector.options.parse(given);
}

export function openStore(options: RedisOptions, role: Role = 'legacy'): Promise<Store> {
  return redisConnector.open(options, {
    name: `${role}.redis`,
    role,
    kinds: REDIS_KINDS,
    logger: silentLogger,
    clock: systemClock,
  });
}

export function redisPlace(): RedisPlace {
  const { url } = testStack().redis;
  const prefix = `${uniqueName('redis')}:`;
  const given = {
    url,
    keys: {
      agent: `${prefix}agent:{id}`,
      qValues: `${prefix}q:{id}`,
      policy: `${prefix}policy:{id}`,
      namedPolicies: `${prefix}policies:{id}`,
      experiences: `${prefix}exp:{id}`,
    },
    bookkeepingPrefix: `${prefix}changeover:`,
  };
  const redis = new Redis(url, { protocol: 2 });
  return {
    prefix,
    redis,
    options: redisOptions(given),
    open: (role, more = {}) => openStore(redisOptions({ ...given, ...more }), role),
    async remove() {
      for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1_000 })) {
        if (keys.length > 0) await redis.unlink(...keys);
      }
      const marks = await redis.hkeys(MARKS_KEY);
      const ours = marks.filter((mark) => mark.startsWith(prefix));
      if (ours.length > 0) await redis.hdel(MARKS_KEY, ...ours);
      redis.disconnect();
    },
  };
}
