import type { Kind } from '../../schemas/kinds.ts';
import { PURGE_BATCH, type PurgeOptions, type TombstoneCount, type Upkeep } from '../upkeep.ts';
import type { RedisClient } from './client/client.ts';
import { script } from './client/script.ts';
import { type Layout, REDIS_KINDS, type RedisKind } from './layout.ts';
import { parseHeldVersion } from './versions.ts';

interface UpkeepOptions {
  readonly client: RedisClient;
  readonly layout: Layout;
  readonly kinds: readonly RedisKind[];
}

/** KEYS: versions. ARGV: the first version that is kept, ids. Looks and removes in one step; answers how many it removed. */
const PURGE = script(`
local removed = 0
for place = 2, #ARGV do
  local held = redis.call('HGET', KEYS[1], ARGV[place])
  local digits = held and string.match(held, '^%-(%d+)')
  if digits and tonumber(digits) < tonumber(ARGV[1]) then
    removed = removed + redis.call('HDEL', KEYS[1], ARGV[place])
  end
end
return removed
`);

/** On a single server: a cluster has a hash of versions in each of its slots, and is no follower. */
export function openUpkeep({ client, layout, kinds }: UpkeepOptions): Upkeep {
  const keyOf = (kind: Kind): string => {
    const own = REDIS_KINDS.find((each) => each === kind);
    if (own === undefined) throw new Error(`Redis holds no ${kind}.`);
    return layout.versionsKey(own);
  };
  return {
    kinds,
    countTombstones: (kind, before, signal) => count(client, keyOf(kind), before, signal),
    purgeTombstones: (kind, before, options) => purge(client, keyOf(kind), before, options),
  };
}

interface FoundTombstone {
  readonly id: string;
  readonly version: number;
}

async function count(
  client: RedisClient,
  key: string,
  before: number,
  signal?: AbortSignal,
): Promise<TombstoneCount> {
  let [all, older] = [0, 0];
  for await (const page of tombstonePages(client, key, PURGE_BATCH, signal)) {
    all += page.length;
    older += page.filter(({ version }) => version < before).length;
  }
  return { all, older };
}

async function* purge(
  client: RedisClient,
  key: string,
  before: number,
  { limit = PURGE_BATCH, signal }: PurgeOptions = {},
): AsyncGenerator<number> {
  for await (const page of tombstonePages(client, key, limit, signal)) {
    const old = page.filter(({ version }) => version < before).map(({ id }) => id);
    yield old.length === 0 ? 0 : Number(await client.run(PURGE, [key], [String(before), ...old]));
  }
}

/** HSCAN meets everything that is there during the whole of it, some twice when the hash grows meanwhile. */
async function* tombstonePages(
  client: RedisClient,
  key: string,
  limit: number,
  signal?: AbortSignal,
): AsyncGenerator<readonly FoundTombstone[]> {
  let cursor = '0';
  do {
    signal?.throwIfAborted();
    const from = cursor;
    const [next, found] = await client.call((redis) => redis.hscan(key, from, 'COUNT', limit));
    yield tombstonesIn(found);
    cursor = next;
  } while (cursor !== '0');
}

/** Field, value, field, value … */
function tombstonesIn(found: readonly string[]): readonly FoundTombstone[] {
  return found.flatMap((id, index) => {
    if (index % 2 === 1) return [];
    const held = parseHeldVersion(found[index + 1] ?? '');
    return held?.deleted === true && held.version !== null ? [{ id, version: held.version }] : [];
  });
}
