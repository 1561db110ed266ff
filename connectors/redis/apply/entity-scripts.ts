import { script } from '../client/script.ts';

/**
 * The version guard. Versions are compared as Lua numbers, which are doubles and hold every safe integer exactly, but
 * only ever stored as the text that came in: Lua prints 14 digits.
 *
 * All versions are looked at before anything is written, and the clock takes the greatest version offered, so that it
 * never falls behind.
 */
export const GUARD_LUA = `
local function isNewer(held, version)
  if not held then return true end
  local digits = string.match(held, '^%-?(%d+)')
  if not digits then error('CHANGEOVER cannot read the version ' .. held) end
  return tonumber(version) > tonumber(digits)
end

local function mergeClock(key, version)
  local last = tonumber(redis.call('GET', key) or '0')
  if not last then error('CHANGEOVER cannot read the clock') end
  if tonumber(version) > last then redis.call('SET', key, version) end
end

-- What is held of each id, and whether each change is newer.
local function readGuard(key, ids, offered)
  local held = #ids > 0 and redis.call('HMGET', key, unpack(ids)) or {}
  local newer = {}
  for number, version in ipairs(offered) do newer[number] = isNewer(held[number], version) end
  return held, newer
end
`;

/**
 * Guard and write of agents, Q-values and policies.
 *
 * KEYS: versions, clock, then the key of each change.
 * ARGV: the greatest version; per change: id, version, shape, number of parts, parts. The parts of a hash are its fields
 * and values, of a string its value, of a field its name and value. A hash or string without parts and a field with
 * its name alone are deletes.
 *
 * Answers per change: applied, stale, or the type of what is in the way.
 */
export const APPLY_ENTITIES = script(`${GUARD_LUA}
local TYPES = { hash = 'hash', string = 'string', field = 'hash' }
-- Lua's stack takes a few thousand values.
local SLICE = 2000

local function write(shape, key, found, first, last)
  if shape == 'field' then
    if first == last then redis.call('HDEL', key, ARGV[first])
    else redis.call('HSET', key, ARGV[first], ARGV[last]) end
  elseif shape == 'string' then
    if first > last then redis.call('DEL', key) else redis.call('SET', key, ARGV[first]) end
  else
    if found ~= 'none' then redis.call('DEL', key) end
    for start = first, last, SLICE do
      redis.call('HSET', key, unpack(ARGV, start, math.min(start + SLICE - 1, last)))
    end
  end
end

local starts, ids, offered = {}, {}, {}
local place = 2
for number = 1, #KEYS - 2 do
  starts[number], ids[number], offered[number] = place, ARGV[place], ARGV[place + 1]
  place = place + 4 + tonumber(ARGV[place + 3])
end
starts[#starts + 1] = place

local _, newer = readGuard(KEYS[1], ids, offered)
mergeClock(KEYS[2], ARGV[1])
local outcomes, applied = {}, {}
for number, id in ipairs(ids) do
  local key, version, shape = KEYS[number + 2], offered[number], ARGV[starts[number] + 2]
  local first, last = starts[number] + 4, starts[number + 1] - 1
  local outcome = 'stale'
  if newer[number] then
    local deletes = last - first < (shape == 'field' and 1 or 0)
    local found = redis.call('TYPE', key).ok
    local fits = found == 'none' or found == TYPES[shape]
    outcome = (fits or deletes) and 'applied' or found
    if fits then write(shape, key, found, first, last) end
    if outcome == 'applied' then
      applied[#applied + 1] = id
      applied[#applied + 1] = (deletes and '-' or '') .. version
    end
  end
  outcomes[number] = outcome
end
if #applied > 0 then redis.call('HSET', KEYS[1], unpack(applied)) end
return outcomes
`);

/**
 * Versions and content of agents, Q-values and policies, in one step.
 *
 * KEYS: versions, then the key of each item. ARGV: fields of a hash at most, bytes of a value at most, bytes after which
 * no further item is read; per item: id, shape, field.
 *
 * Answers per item that it got to: version or nil, what was found (content, none, large, or the type of what is in the
 * way), and the content or how large it is.
 */
export const READ_ENTITIES = script(`
local TYPES = { hash = 'hash', string = 'string', field = 'hash' }
local maxFields, maxBytes, enough = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local total = 0

local function readHash(key)
  local count = redis.call('HLEN', key)
  if count > maxFields then return 'large', count end
  local content = redis.call('HGETALL', key)
  for _, text in ipairs(content) do total = total + #text end
  return 'content', content
end

local function valueOf(key, shape, field)
  if shape == 'field' then return redis.call('HGET', key, field) end
  return redis.call('GET', key)
end

local function readValue(key, shape, field)
  local length = shape == 'field' and redis.call('HSTRLEN', key, field) or redis.call('STRLEN', key)
  if length > maxBytes then return 'large', length end
  local content = valueOf(key, shape, field)
  if not content then return 'none', false end
  total = total + length
  return 'content', content
end

local ids = {}
for place = 4, #ARGV, 3 do ids[#ids + 1] = ARGV[place] end
local versions = #ids > 0 and redis.call('HMGET', KEYS[1], unpack(ids)) or {}
local replies = {}
for number = 2, #KEYS do
  if total > enough then break end
  local key = KEYS[number]
  local place = 4 + (number - 2) * 3
  local shape, field = ARGV[place + 1], ARGV[place + 2]
  local version = versions[number - 1]
  local found, content = redis.call('TYPE', key).ok, false
  if found == TYPES[shape] then
    if shape == 'hash' then found, content = readHash(key) else found, content = readValue(key, shape, field) end
  end
  replies[#replies + 1] = { version, found, content }
end
return replies
`);
