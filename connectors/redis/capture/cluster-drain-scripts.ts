import { script } from '../client/script.ts';

/**
 * One claim for all outboxes of a cluster, with a number that grows from claim to claim.
 *
 * KEYS: claim, its number. ARGV: token, ms. Answers the number, or nothing while another has the claim.
 */
export const TAKE_CLAIM = script(`
if redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX') then
  local time = redis.call('TIME')
  local now, last = time[1] * 1000000 + time[2], tonumber(redis.call('GET', KEYS[2]) or '0')
  local number = string.format('%.0f', math.max(last + 1, now))
  redis.call('SET', KEYS[2], number)
  return number
end
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('GET', KEYS[2]) end
return false
`);

/**
 * The claim stands in one slot and an outbox in another, so no script sees both. Each slot remembers the greatest claim that
 * has drained it, and lets none with a smaller number change its outbox. KEYS[1]: what it remembers. ARGV[1]: the number.
 */
const FENCE_LUA = `
local held, mine = tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1])
if held > mine then return redis.error_reply('CHANGEOVER lost the claim') end
if held < mine then redis.call('SET', KEYS[1], ARGV[1]) end
`;

/** Before the first read, so that who had the claim before changes nothing of what is read. ARGV: number. */
export const FENCE = script(`${FENCE_LUA}
return 1
`);

/** KEYS: fence, outbox. ARGV: number, ids. */
export const DISCARD_IN_SLOT = script(`${FENCE_LUA}
return redis.call('XDEL', KEYS[2], unpack(ARGV, 2))
`);

/** Moves an entry. KEYS: fence, outbox, where it is kept. ARGV: number, id, reason. */
export const SET_ASIDE_IN_SLOT = script(`${FENCE_LUA}
local found = redis.call('XRANGE', KEYS[2], ARGV[2], ARGV[2])[1]
if not found then return 0 end
redis.call('XADD', KEYS[3], '*', 'entry', ARGV[2], 'reason', ARGV[3], unpack(found[2]))
return redis.call('XDEL', KEYS[2], ARGV[2])
`);
