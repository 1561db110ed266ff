import type { Cluster } from 'ioredis';
import type { CaptureSettings } from '../../connectors/capture.ts';
import type { Role, Store } from '../../connectors/connector.ts';
import type { OutboxOptions } from '../../connectors/outbox-options.ts';
import { redisConnector } from '../../connectors/redis/connector.ts';
import { intercept } from '../../connectors/redis/intercept/intercept.ts';
import { type RedisMapping, redisMapping } from '../../connectors/redis/intercept/mapping.ts';
import { clusterLayoutOf, type Layout, REDIS_KINDS } from '../../connectors/redis/layout.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import {
  CAPTURE_TEST_MAX_BYTES,
  CAPTURE_TEST_SETTINGS,
  CAPTURE_TEST_SPACE,
  type CapturePlace,
} from '../contract/capture.ts';
import { uniqueName } from '../support/names.ts';
import type { RedisCluster } from '../support/redis-cluster.ts';
import { redisOptions } from './redis-support.ts';

const STORE = 'legacy.redis';
const SETTINGS: CaptureSettings = { ...CAPTURE_TEST_SETTINGS, space: CAPTURE_TEST_SPACE };

/** Keys that no other test uses, on a cluster. */
export interface ClusterPlace extends CapturePlace {
  readonly prefix: string;
  readonly mapping: RedisMapping;
  readonly layout: Layout;
  /** Uncaptured, as an application would have one. */
  readonly bare: Cluster;
  intercepted(protocol?: 2 | 3): Cluster;
  openAsTarget(): Promise<Store>;
}

export interface ClusterPlaceOptions {
  readonly outbox?: Partial<OutboxOptions>;
  /** All keys of the application in one slot, as an application does that wants transactions over them. */
  readonly inOneSlot?: boolean;
}

export function clusterPlace(
  cluster: RedisCluster,
  { outbox = {}, inOneSlot = false }: ClusterPlaceOptions = {},
): ClusterPlace {
  const name = uniqueName('redis');
  const prefix = inOneSlot ? `{${name}}` : `${name}:`;
  const options = redisOptions({
    cluster: [...cluster.seeds],
    keys: {
      agent: `${prefix}agent:{id}`,
      qValues: `${prefix}q:{id}`,
      policy: `${prefix}policy:{id}`,
      namedPolicies: `${prefix}policies:{id}`,
      experiences: `${prefix}exp:{id}`,
    },
    bookkeepingPrefix: `changeover:${name}:`,
    outbox,
  });
  const mapping = redisMapping({
    keys: options.keys,
    bookkeepingPrefix: options.bookkeepingPrefix,
    unknownFields: options.unknownFields,
    outbox,
    maxChangeBytes: CAPTURE_TEST_MAX_BYTES,
    store: STORE,
    writer: 'test',
  });
  const layout = clusterLayoutOf(options);
  const bare = cluster.client();
  const clients: Cluster[] = [bare];
  const intercepted = (protocol?: 2 | 3) => {
    const client = intercept(cluster.client(protocol), mapping);
    client.on('error', () => undefined);
    clients.push(client);
    return client;
  };
  const open = (role: Role) =>
    redisConnector.open(options, {
      name: role === 'legacy' ? STORE : 'target.redis',
      role,
      kinds: REDIS_KINDS,
      logger: silentLogger,
      clock: systemClock,
      capture: SETTINGS,
    });
  return {
    prefix,
    mapping,
    layout,
    bare,
    intercepted,
    open: () => open('legacy'),
    openAsTarget: () => open('target'),
    // A counter that is ahead by an hour is what a clock that was set back by one leaves.
    async setClockBack() {
      for (const { redis } of cluster.nodes) {
        for (const key of await redis.keys(`${options.bookkeepingPrefix}clock*`)) {
          const last = Math.max(Number(await redis.get(key)), Date.now() * 1000);
          await redis.set(key, String(last + 3_600_000_000));
        }
      }
    },
    async rollBack({ kind, key }) {
      const redis = intercepted();
      const commands = redis.multi();
      if (kind === 'agent') commands.hset(`${prefix}agent:${key}`, 'type', 'x');
      else if (kind === 'policy') commands.set(`${prefix}policy:${key}`, '{"algorithm":"x"}');
      else if (kind === 'q-value') commands.hset(`${prefix}q:a`, 's|1', '{"value":1,"visits":1}');
      else commands.rpush(`${prefix}exp:a`, ABANDONED_EXPERIENCE);
      commands.discard();
      await commands.exec().catch(() => undefined);
    },
    async remove() {
      for (const client of clients) client.disconnect();
    },
  };
}

const ABANDONED_EXPERIENCE = JSON.stringify({
  ...{ id: 'abandoned', episode: 1, step: 1, state: 's', action: 1, reward: 1, nextState: 't' },
  ...{ done: false, at: 1 },
});
