import { Redis } from 'ioredis';
import type { Outcome, RejectedItem, Role, ScanChunk, SourceRow, Store } from '../../connectors/connector.ts';
import { redisConnector } from '../../connectors/redis/connector.ts';
import { REDIS_KINDS } from '../../connectors/redis/layout.ts';
import { MARKS_KEY, type RedisOptions } from '../../connectors/redis/options.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Change, Experience } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type ScanRange, WHOLE_RANGE } from '../../schemas/scan-order.ts';
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

/** A version as live capture stamps them; tests use small offsets from it. */
export const V = 1_700_000_000_000_000;

/** A place with a store in it, for one test. */
export function withStore(
  role: Role,
  work: (place: RedisPlace, store: Store) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const place = redisPlace();
    try {
      const store = await place.open(role);
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

export interface Scanned<K extends Kind> {
  readonly rows: readonly SourceRow<K>[];
  readonly rejected: readonly RejectedItem[];
  readonly chunks: readonly ScanChunk<K>[];
}

export async function scanAll<K extends Kind>(
  store: Store,
  kind: K,
  range: ScanRange = WHOLE_RANGE,
  limit = 100,
): Promise<Scanned<K>> {
  const chunks = await Array.fromAsync(store.source.scan(kind, range, { limit }));
  return {
    rows: chunks.flatMap((chunk) => chunk.rows),
    rejected: chunks.flatMap((chunk) => chunk.rejected),
    chunks,
  };
}

export async function statuses(
  store: Store,
  changes: readonly Change[],
): Promise<readonly Outcome['status'][]> {
  return (await store.sink.apply(changes)).map(({ status }) => status);
}

export function experience(
  id: string,
  at: number,
  agentId = 'a',
  more: Partial<Experience> = {},
): Experience {
  const rest = { episode: 1, step: 2, state: 's', action: 0, reward: 0.5, nextState: 't', done: false };
  return { id, agentId, ...rest, at, ...more };
}

/** An experience as an application writes it, which leaves it to the key to say whose it is. */
export function experienceText(id: string, at: number, more: object = {}): string {
  const { agentId: _, ...rest } = experience(id, at);
  return JSON.stringify({ ...rest, ...more });
}
