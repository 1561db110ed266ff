import { script } from '../client/script.ts';

/** Only who holds the claim may change the outbox. KEYS[1]: the claim. ARGV[1]: its token. */
const FENCE_LUA = `
local function fence()
  return redis.call('GET', KEYS[1]) ~= ARGV[1] and redis.error_reply('CHANGEOVER lost the claim') or nil
end
`;

/** ARGV: token, ms. Answers 1, or 0 when the claim has been lost. */
export const RENEW_CLAIM = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`);

/** ARGV: token. */
export const GIVE_UP_CLAIM = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`);

/** KEYS: claim, outbox. ARGV: token, ids. */
export const DISCARD = script(`${FENCE_LUA}
return fence() or redis.call('XDEL', KEYS[2], unpack(ARGV, 2))
`);

/** Moves an entry. KEYS: claim, outbox, where it is kept. ARGV: token, id, reason. */
export const SET_ASIDE = script(`${FENCE_LUA}
local lost = fence()
if lost then return lost end
local found = redis.call('XRANGE', KEYS[2], ARGV[2], ARGV[2])[1]
if not found then return 0 end
redis.call('XADD', KEYS[3], '*', 'entry', ARGV[2], 'reason', ARGV[3], unpack(found[2]))
return redis.call('XDEL', KEYS[2], ARGV[2])
`);

/**
 * KEYS: when writes went uncaptured, first and last. ARGV: up to when that has been made good, and the moment after. What was
 * lost later is still lost, from that moment on as far as is known.
 */
export const ACCEPT_LOSS = script(`
local first, last = unpack(redis.call('HMGET', KEYS[1], 'first', 'last'))
local untilUs = tonumber(ARGV[1])
if last and tonumber(last) <= untilUs then redis.call('DEL', KEYS[1])
elseif first and tonumber(first) <= untilUs then redis.call('HSET', KEYS[1], 'first', ARGV[2]) end
return 1
`);

/**
 * Ends capture. KEYS: outbox, capture. Answers how many entries stand in the way. The empty stream stays: it knows which ids
 * have been given.
 */
export const UNINSTALL = script(`
local entries = redis.call('XLEN', KEYS[1])
if entries == 0 then redis.call('DEL', KEYS[2]) end
return entries
`);
