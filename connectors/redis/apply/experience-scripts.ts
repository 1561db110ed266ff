import { script } from '../client/script.ts';
import { GUARD_LUA } from './entity-scripts.ts';
import { LIST_LUA } from './list-lua.ts';

/**
 * Puts an experience into its list, or takes it out. Needs `listed` (the key of the set of listed lists), `prefix` and
 * `suffix` (of a list's key).
 */
export const PLACE_LUA = `
local function everyListIsListed() return redis.call('SISMEMBER', listed, '') == 1 end
local function isListed(agent)
  return redis.call('SISMEMBER', listed, agent) == 1 or everyListIsListed()
end

local function remove(key, indexes)
  for _, index in ipairs(indexes) do redis.call('LSET', key, index, MARK) end
  if #indexes > 0 then redis.call('LREM', key, 0, MARK) end
end

-- By (at, id). An element with this id that nobody told us of is replaced.
local function insert(key, id, at, text)
  local length = redis.call('LLEN', key)
  local tail = length > 0 and elementAt(key, length - 1) or {}
  if length == 0 or (type(tail.at) == 'number' and tail.at < at) then return redis.call('RPUSH', key, text) end
  local index, place = lowerBound(key, at), nil
  while index < length do
    local element = elementAt(key, index)
    if element.at ~= at then break end
    if element.id == id then return redis.call('LSET', key, index, text) end
    if not place and type(element.id) == 'string' and element.id > id then place = index end
    index = index + 1
  end
  place = place or index
  if place >= length then return redis.call('RPUSH', key, text) end
  -- LINSERT finds its place by value, and a list may hold equal values.
  local next = redis.call('LINDEX', key, place)
  redis.call('LSET', key, place, MARK)
  redis.call('LINSERT', key, 'BEFORE', MARK, text)
  redis.call('LSET', key, place + 1, next)
end

-- What stands in the way of a change, or nil. What is free once stays free while this script runs.
local free = {}
local function obstacle(held, agent, deletes)
  if free[agent] and (held or not deletes) then return nil end
  -- In a cluster the list of nobody is in another slot than what is held.
  if deletes and (held or everyListIsListed()) then return nil end
  local found = redis.call('TYPE', prefix .. agent .. suffix).ok
  if deletes then
    if agent ~= '' and found == 'list' and not isListed(agent) then return 'unlisted' end
    return 'unlocated'
  end
  if found ~= 'none' and found ~= 'list' then return found end
  if not isListed(agent) then
    if found == 'list' then return 'unlisted' end
    redis.call('SADD', listed, agent)
  end
  free[agent] = true
  return nil
end

-- Answers what stood there before, and in whose list.
local function apply(held, id, agent, at, text)
  local key = prefix .. agent .. suffix
  local _, deleted, heldAt, heldAgent = parseHeld(held)
  local before = nil
  if heldAgent and not deleted then
    local old = prefix .. heldAgent .. suffix
    local indexes = isList(old) and search(old, id, heldAt) or {}
    before = #indexes > 0 and redis.call('LINDEX', old, indexes[#indexes]) or nil
    if text ~= '' and old == key and #indexes == 1 and heldAt == at then
      redis.call('LSET', key, indexes[1], text)
      return before, heldAgent
    end
    remove(old, indexes)
  end
  if text ~= '' then insert(key, id, at, text) end
  return before, heldAgent
end
`;

/**
 * Guard and write of experiences.
 *
 * KEYS: versions, clock, listed. ARGV: prefix and suffix of a list's key, budget, the greatest version; per change: id,
 * version, agentId, at, text. An empty text deletes; the agentId of a delete is a guess and may be empty.
 *
 * Answers per change that it got to: applied; stale; unlisted and unlocated: its list, or every list, has to be listed
 * first (LIST_EXPERIENCES); or the type of what is in the way.
 */
export const APPLY_EXPERIENCES = script(`${GUARD_LUA}${LIST_LUA}
local versions, clock, listed = KEYS[1], KEYS[2], KEYS[3]
local prefix, suffix, budget = ARGV[1], ARGV[2], tonumber(ARGV[3])
${PLACE_LUA}
local ids, offered = {}, {}
for place = 5, #ARGV, 5 do
  ids[#ids + 1] = ARGV[place]
  offered[#offered + 1] = ARGV[place + 1]
end
local held, newer = readGuard(versions, ids, offered)
mergeClock(clock, ARGV[4])
local outcomes, applied = {}, {}
for number, id in ipairs(ids) do
  if work > budget then break end
  local agent, at, text = unpack(ARGV, number * 5 + 2, number * 5 + 4)
  local outcome = 'stale'
  if newer[number] then outcome = obstacle(held[number], agent, text == '') or 'applied' end
  if outcome == 'applied' then
    apply(held[number], id, agent, tonumber(at), text)
    applied[#applied + 1] = id
    applied[#applied + 1] = text == '' and '-' .. offered[number] or offered[number] .. ' ' .. at .. ' ' .. agent
  end
  outcomes[number] = outcome
end
if #applied > 0 then redis.call('HSET', versions, unpack(applied)) end
return outcomes
`);

/**
 * Versions and content of experiences, in one step.
 *
 * KEYS: versions. ARGV: prefix and suffix of a list's key, budget, bytes after which no further item is read; per item:
 * id, agentId, index, at. An empty agentId leaves it to the versions hash to say where it is; the index is a guess.
 *
 * Answers per item that it got to: version or nil, the element or nil, and the agentId of the list that holds it.
 */
export const READ_EXPERIENCES = script(`${LIST_LUA}
local prefix, suffix, budget, enough = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local total = 0

local function read(key, id, index, at)
  if not isList(key) then return false end
  local text = index ~= '' and redis.call('LINDEX', key, index)
  if text and decode(text).id == id then return text end
  local indexes = search(key, id, at)
  return #indexes > 0 and redis.call('LINDEX', key, indexes[#indexes])
end

local replies = {}
for place = 5, #ARGV, 4 do
  if work > budget or total > enough then break end
  local id, agent, index, at = unpack(ARGV, place, place + 3)
  local held = redis.call('HGET', KEYS[1], id)
  local _, deleted, heldAt, heldAgent = parseHeld(held)
  local known = heldAgent and not deleted
  local text = false
  if agent == '' and known then agent = heldAgent end
  -- What the versions hash places elsewhere has moved, or stands here a second time.
  if agent ~= '' and (not known or agent == heldAgent) then
    text = read(prefix .. agent .. suffix, id, index, known and heldAt or tonumber(at))
  end
  if text then total = total + #text end
  replies[#replies + 1] = { held, text, agent }
end
return replies
`);

/**
 * Enters a page of a list into the versions hash, with version 0 where there is none.
 *
 * KEYS: versions, list. ARGV: agentId, first index, last index. Answers how many elements the page has.
 */
export const LIST_EXPERIENCES = script(`${LIST_LUA}
local agent = ARGV[1]
local page = redis.call('LRANGE', KEYS[2], ARGV[2], ARGV[3])
for _, text in ipairs(page) do
  local element = decode(text)
  if type(element.id) == 'string' and element.id ~= '' then
    local at = element.at
    local exact = type(at) == 'number' and at % 1 == 0 and math.abs(at) < 2 ^ 53
    local atText = exact and string.format('%.0f', at) or '?'
    local held = redis.call('HGET', KEYS[1], element.id)
    local _, _, heldAt, heldAgent = parseHeld(held)
    -- An id that is in the list twice, at different times, is found only by looking through the whole list.
    local twice = held and string.sub(held, 1, 2) == '0 ' and heldAgent == agent and heldAt ~= tonumber(atText)
    if not held or twice then
      redis.call('HSET', KEYS[1], element.id, '0 ' .. (held and '?' or atText) .. ' ' .. agent)
    end
  end
end
return #page
`);
