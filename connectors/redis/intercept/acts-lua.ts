/**
 * What the script of intercept does with the commands that come seldom (script.ts), and what it needs for the others only
 * where keys expire or experiences stand twice. The body of a function that is called when it is first needed; it answers
 * a table with all of it.
 */
import { LIST_LUA } from '../apply/list-lua.ts';
import { REMOVAL_LUA } from '../capture/removal-lua.ts';

export const RARE_ACTS_LUA = `${REMOVAL_LUA}
-- The element that counts of an id in the list of an agent, as the source reads it, or nil.
local function standing(agent, id, at)
${LIST_LUA}
  local key = LIST_PREFIX .. agent .. LIST_SUFFIX
  local indexes = isList(key) and search(key, id, tonumber(at)) or {}
  return #indexes > 0 and call('LINDEX', key, indexes[#indexes]) or nil
end

local ACTS = { settle = settle, track = track, forget = forget, keepTrack = keepTrack, standing = standing }

-- HDEL. Hints: the entity's key of each field, empty where it stands for none.
function ACTS.without(code, agent, key, first, words, hint)
  if code == 'agent' then
    local before = readAll(code, key)
    local reply = attempt(unpack(ARGV, first, first + words - 1))
    if isFailure(reply) or reply == 0 then return reply end
    local content = readAll(code, key)
    if content then record('agent', agent, 'u', nil, 'state', cmsgpack.pack(content))
    else
      forget(key)
      removeAll(code, key, agent, before)
    end
    return reply
  end
  local befores = attempt('HMGET', key, unpack(ARGV, first + 2, first + words - 1))
  if isFailure(befores) then return befores end
  local reply = attempt(unpack(ARGV, first, first + words - 1))
  if isFailure(reply) then return reply end
  local done = {}
  for number, before in ipairs(befores) do
    local id = ARGV[hint + number - 1]
    if before and id ~= '' and not done[id] then
      done[id] = true
      record(KINDS[code], id, 'd', nil, 'before', before)
    end
  end
  if tracking and reply > 0 and call('EXISTS', key) == 0 then forget(key) end
  return reply
end

local function removeElements(key, agent, elements)
  local repeated = #elements > 0 and call('EXISTS', REPEATED) == 1
  local gone = elements
  if repeated then
    gone = {}
    for _, element in ipairs(elements) do
      local id = idIn(element)
      local held = id and heldOf('experience', id)
      local at, holder = string.match(held or '', '^%d+ (%S+) (.*)$')
      local left = holder == agent and call('SISMEMBER', REPEATED, id) == 1 and standing(agent, id, at)
      if left then record('experience', id, 'u', ' ? ' .. agent, 'state', left, { 'agent', agent })
      else gone[#gone + 1] = element end
    end
  end
  removeAll('experience', key, agent, gone)
end

-- LTRIM.
function ACTS.trim(code, agent, key, first, words)
  local length = attempt('LLEN', key)
  local from, to = tonumber(ARGV[first + 2]), tonumber(ARGV[first + 3])
  local elements = {}
  if not isFailure(length) and from and to then
    if from < 0 then from = math.max(0, from + length) end
    if to < 0 then to = to + length end
    if from > to or from >= length then elements = call('LRANGE', key, 0, -1)
    else
      if from > 0 then elements = call('LRANGE', key, 0, from - 1) end
      if to < length - 1 then
        for _, element in ipairs(call('LRANGE', key, to + 1, -1)) do elements[#elements + 1] = element end
      end
    end
  end
  local reply = attempt(unpack(ARGV, first, first + words - 1))
  if isFailure(reply) then return reply end
  if tracking and call('EXISTS', key) == 0 then forget(key) end
  removeElements(key, agent, elements)
  return reply
end

-- DEL and its like. Hints: code and agentId of each key, empty where it is not mapped.
function ACTS.remove(_, _, _, first, words, hint)
  local contents = {}
  for number = 1, words - 1 do
    local code = ARGV[hint + number * 2 - 2]
    local key = ARGV[first + number]
    if code ~= '' and contents[key] == nil then contents[key] = readAll(code, key) or false end
  end
  local reply = attempt(unpack(ARGV, first, first + words - 1))
  if isFailure(reply) then return reply end
  for number = 1, words - 1 do
    local code, agent = ARGV[hint + number * 2 - 2], ARGV[hint + number * 2 - 1]
    local key = ARGV[first + number]
    if contents[key] then
      forget(key)
      removeAll(code, key, agent, contents[key])
      contents[key] = nil
    end
  end
  return reply
end

local IN_MS = { expireat = 1000, pexpireat = 1 }

-- EXPIRE and its like, PERSIST, GETEX.
function ACTS.expire(code, agent, key, first, words)
  local name, time = ARGV[first], tonumber(ARGV[first + 2] or '')
  local ends = name == 'getex'
  if name == 'expire' or name == 'pexpire' then ends = time and time <= 0
  elseif IN_MS[name] then ends = time and time * IN_MS[name] <= now / 1000 + 100 end
  local content = ends and readAll(code, key)
  local reply = attempt(unpack(ARGV, first, first + words - 1))
  if isFailure(reply) then return reply end
  local ttl = call('PTTL', key)
  if ttl == -1 then forget(key)
  elseif ttl >= 0 then
    if tracking and call('ZSCORE', EXPIRIES, key) then
      call('ZADD', EXPIRIES, whole(math.floor(now / 1000) + ttl), key)
    else track(code, key, ttl) end
  elseif content then
    forget(key)
    removeAll(code, key, agent, content)
  end
  return reply
end

return ACTS
`;
