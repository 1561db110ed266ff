import { chunked } from '../../../core/sequence.ts';
import type { RedisClient } from '../client/client.ts';
import { type Script, script } from '../client/script.ts';
import { globOf } from '../key-patterns.ts';
import { byLayout, fenceOf, type Layout, type RedisKind } from '../layout.ts';
import { codeOfKey } from '../mapped-keys.ts';
import { type CaptureScope, captureLua } from './record-lua.ts';
import { REMOVAL_LUA } from './removal-lua.ts';

export interface Expiries {
  /** Finds keys whose time is over, and captures that what was in them is gone. In a cluster those of one slot. */
  sweep(own?: Layout): Promise<void>;
  /** Looks at every mapped key once, for those that were given a time before capture was there to see it. */
  findAll(): Promise<void>;
}

const KEYS_PER_SWEEP = 100;
const KEYS_PER_SCAN = 1_000;

/**
 * KEYS: none, but in a cluster the slot's fence. ARGV: path and writer; per key: code, key, agentId. A key that is still there has got another time, or none.
 * Answers 1, or 0 while the outbox is full.
 */
function sweepScript(scope: CaptureScope): Script {
  return script(`${captureLua(scope)}${REMOVAL_LUA}
begin()
for place = 2, #ARGV, 3 do
  local code, key, agent = unpack(ARGV, place, place + 2)
  if room <= 0 then finish() return 0 end
  local ttl = call('PTTL', key)
  if ttl >= 0 then call('ZADD', EXPIRIES, whole(math.floor(now / 1000) + ttl), key)
  elseif ttl == -1 or code == '' then forget(key)
  elseif call('ZSCORE', EXPIRIES, key) then settle(code, key, agent) end
end
finish()
return 1
`);
}

/** ARGV: path and writer; per key: code, key, agentId. */
function trackScript(scope: CaptureScope): Script {
  return script(`${captureLua(scope)}${REMOVAL_LUA}
begin()
for place = 2, #ARGV, 3 do
  local code, key = ARGV[place], ARGV[place + 1]
  local ttl = call('PTTL', key)
  if ttl >= 0 and not call('ZSCORE', EXPIRIES, key) then track(code, key, ttl) end
end
return 1
`);
}

interface ExpiriesContext extends CaptureScope {
  readonly client: RedisClient;
  readonly kinds: readonly RedisKind[];
  readonly writer: string;
}

export function openExpiries(context: ExpiriesContext): Expiries {
  const { client, layout, kinds, writer } = context;
  const sweepKeys = sweepScript(context);
  const trackKeys = trackScript(context);
  const argumentsOf = (keys: readonly string[]): readonly string[] => [
    `shim ${writer}`,
    ...keys.flatMap((key) => {
      const mapped = codeOfKey(key, layout, kinds);
      return [mapped?.code ?? '', key, mapped?.id ?? ''];
    }),
  ];
  return {
    async sweep(own = layout) {
      for (;;) {
        const due = await client.call(async (redis) => {
          const [seconds, micros] = await redis.time();
          const nowMs = Math.floor(Number(seconds) * 1_000 + Number(micros) / 1_000);
          return redis.zrangebyscore(own.expiriesKey, '-inf', nowMs, 'LIMIT', 0, KEYS_PER_SWEEP);
        });
        if (due.length === 0) return;
        const hasRoom = (await client.run(sweepKeys, fenceOf(own), argumentsOf(due))) === 1;
        if (!hasRoom || due.length < KEYS_PER_SWEEP) return;
      }
    },

    async findAll() {
      for (const pattern of Object.values(layout.patterns)) {
        const glob = globOf(pattern);
        for (const part of client.parts()) {
          let cursor = '0';
          do {
            const [next, keys] = await part.call((redis) =>
              redis.scan(cursor, 'MATCH', glob, 'COUNT', KEYS_PER_SCAN),
            );
            cursor = next;
            const mapped = keys.filter((key) => codeOfKey(key, layout, kinds) !== undefined);
            for (const [own, ofOne] of byLayout(mapped, (key) => key, layout)) {
              for (const some of chunked(ofOne, KEYS_PER_SWEEP))
                await client.run(trackKeys, fenceOf(own), argumentsOf(some));
            }
          } while (cursor !== '0');
        }
      }
    },
  };
}
