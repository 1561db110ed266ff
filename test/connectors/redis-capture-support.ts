import type { Redis } from 'ioredis';
import type { CaptureSettings } from '../../connectors/capture.ts';
import type { Store } from '../../connectors/connector.ts';
import type { OutboxOptions } from '../../connectors/outbox-options.ts';
import { redisConnector } from '../../connectors/redis/connector.ts';
import { intercept } from '../../connectors/redis/intercept/intercept.ts';
import { type RedisMapping, redisMapping } from '../../connectors/redis/intercept/mapping.ts';
import { REDIS_KINDS } from '../../connectors/redis/layout.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import {
  CAPTURE_TEST_MAX_BYTES,
  CAPTURE_TEST_SETTINGS,
  CAPTURE_TEST_SPACE,
  type CapturePlace,
} from '../contract/capture.ts';
import { type RedisPlace, redisOptions, redisPlace } from './redis-support.ts';

const STORE = 'legacy.redis';

const SETTINGS: CaptureSettings = { ...CAPTURE_TEST_SETTINGS, space: CAPTURE_TEST_SPACE };

export interface RedisCapturePlace extends CapturePlace {
  readonly corner: RedisPlace;
  readonly mapping: RedisMapping;
  /** A client as an application would have one, intercepted. */
  intercepted(kinds?: RedisMapping['kinds']): Redis;
}

export function capturePlace(outbox: Partial<OutboxOptions> = {}): RedisCapturePlace {
  const corner = redisPlace();
  const options = redisOptions({ ...corner.options, outbox });
  const mapping = redisMapping({
    keys: options.keys,
    bookkeepingPrefix: options.bookkeepingPrefix,
    unknownFields: options.unknownFields,
    outbox,
    maxChangeBytes: CAPTURE_TEST_MAX_BYTES,
    store: STORE,
    writer: 'test',
  });
  const clients: Redis[] = [];
  return {
    corner,
    mapping,
    intercepted: (kinds = mapping.kinds) => {
      const client = intercept(corner.redis.duplicate(), { ...mapping, kinds });
      // Some tests break its connection.
      client.on('error', () => undefined);
      clients.push(client);
      return client;
    },
    open: (): Promise<Store> =>
      redisConnector.open(options, {
        name: STORE,
        role: 'legacy',
        kinds: REDIS_KINDS,
        logger: silentLogger,
        clock: systemClock,
        capture: SETTINGS,
      }),
    // A counter that is ahead by an hour is what a clock that was set back by one leaves.
    async setClockBack() {
      const key = `${options.bookkeepingPrefix}clock`;
      await corner.redis.set(
        key,
        String(Math.max(Number(await corner.redis.get(key)), Date.now() * 1000) + 3_600_000_000),
      );
    },
    async rollBack({ kind, key }) {
      const redis = intercept(corner.redis.duplicate(), mapping);
      try {
        await redis.multi({ pipeline: false });
        const { prefix } = corner;
        if (kind === 'agent') await redis.hset(`${prefix}agent:${key}`, 'type', 'x');
        else if (kind === 'policy') await redis.set(`${prefix}policy:${key}`, '{"algorithm":"x"}');
        else if (kind === 'q-value') await redis.hset(`${prefix}q:a`, 's|1', '{"value":1,"visits":1}');
        else await redis.rpush(`${prefix}exp:a`, ABANDONED_EXPERIENCE);
        await redis.discard();
      } finally {
        redis.disconnect();
      }
    },
    async remove() {
      for (const client of clients) client.disconnect();
      await corner.remove();
    },
  };
}

const ABANDONED_EXPERIENCE = JSON.stringify({
  ...{ id: 'abandoned', episode: 1, step: 1, state: 's', action: 1, reward: 1, nextState: 't' },
  ...{ done: false, at: 1 },
});
