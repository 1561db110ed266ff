/**
 * What capture does about everything in a key at once: it is removed, or it expires. Needs record-lua.ts before it.
 *
 * Keys that expire: a sorted set of the mapped keys with a deadline, and for keys of several entities a set of what is in
 * each. What expires leaves no trace of its own, so whoever comes first, a write to the key or the relay, captures the
 * deletes from there.
 */
export const REMOVAL_LUA = `
-- As JavaScript writes JSON.
local ESCAPES = { ['"'] = '\\\\"', ['\\\\'] = '\\\\\\\\', ['\\b'] = '\\\\b', ['\\f'] = '\\\\f', ['\\n'] = '\\\\n', ['\\r'] = '\\\\r', ['\\t'] = '\\\\t' }
local function escaped(character) return ESCAPES[character] or string.format('\\\\u%04x', string.byte(character)) end
local function quoted(text) return '"' .. string.gsub(text, '[%z\\1-\\31"\\\\]', escaped) .. '"' end

-- The entity's key that a field of a hash stands for, or nil.
local function keyOfField(code, agent, field)
  if code == 'named' then return field ~= '' and '[' .. quoted(agent) .. ',' .. quoted(field) .. ']' or nil end
  local state, action = string.match(field, '^(.+)|(-?%d+)$')
  if not state or not (action == '0' or string.match(action, '^-?[1-9]')) or math.abs(action) >= 2 ^ 53 then return nil end
  return '[' .. quoted(agent) .. ',' .. quoted(state) .. ',' .. action .. ']'
end

local function keyOfPolicy(agent)
  return string.sub(agent, 1, 1) == '[' and '[' .. quoted(agent) .. ']' or agent
end

local function idIn(element)
  local ok, value = pcall(cjson.decode, element)
  local id = ok and type(value) == 'table' and value.id
  return type(id) == 'string' and id ~= '' and id or nil
end

local function forget(key)
  if tracking and call('ZREM', EXPIRIES, key) == 1 then call('DEL', MEMBERS .. key) end
end

-- Captures the deletes of what has expired at a key.
local function settle(code, key, agent)
  local kind = KINDS[code]
  if code == 'agent' or code == 'policy' then
    local id = code == 'policy' and keyOfPolicy(agent) or agent
    -- A follower may have deleted it before its time was over.
    if string.sub(heldOf(kind, id) or '', 1, 1) ~= '-' then record(kind, id, 'd') end
  else
    for _, member in ipairs(call('SMEMBERS', MEMBERS .. key)) do
      local id = member
      if code ~= 'experience' then id = keyOfField(code, agent, member) end
      local held = id and heldOf(kind, id)
      local gone = held and string.sub(held, 1, 1) == '-'
      local elsewhere = code == 'experience' and held and string.match(held, '^%d+ %S+ (.*)$') ~= agent
      if id and not gone and not elsewhere then record(kind, id, 'd') end
    end
  end
  forget(key)
end

-- Everything in a key, as it is noted in its set of members.
local function membersOf(code, key)
  if code == 'q' or code == 'named' then return call('HKEYS', key) end
  local members = {}
  if code == 'experience' then
    for _, element in ipairs(call('LRANGE', key, 0, -1)) do members[#members + 1] = idIn(element) end
  end
  return members
end

local function addMembers(key, members)
  for first = 1, #members, 2000 do
    call('SADD', MEMBERS .. key, unpack(members, first, math.min(first + 1999, #members)))
  end
end

-- Notes when a key expires, now that it has such a time.
local function track(code, key, ttl)
  call('ZADD', EXPIRIES, whole(math.floor(now / 1000) + ttl), key)
  tracking = true
  call('DEL', MEMBERS .. key)
  addMembers(key, membersOf(code, key))
end

-- After something was added to a key and before that is recorded: what had been there may have expired.
local function keepTrack(code, key, agent, members)
  if not tracking or not call('ZSCORE', EXPIRIES, key) then return end
  if call('PTTL', key) == -1 then settle(code, key, agent) else addMembers(key, members) end
end

-- Captures the deletes of everything that was in a key. Content as readAll gave it.
local function removeAll(code, key, agent, content)
  local kind = KINDS[code]
  if code == 'agent' then record(kind, agent, 'd', nil, 'before', cmsgpack.pack(content))
  elseif code == 'policy' then record(kind, keyOfPolicy(agent), 'd', nil, 'before', content)
  elseif code == 'experience' then
    for _, element in ipairs(content) do
      local id = idIn(element)
      local held = id and heldOf(kind, id)
      local holder = held and string.match(held, '^%-?%d+ %S+ (.*)$')
      local gone = held and string.sub(held, 1, 1) == '-'
      if id and not gone and (not holder or holder == agent) then
        record(kind, id, 'd', nil, 'before', element, { 'agent', agent })
      end
    end
  else
    for place = 1, #content, 2 do
      local id = keyOfField(code, agent, content[place])
      if id then record(kind, id, 'd', nil, 'before', content[place + 1]) end
    end
  end
end

-- What is in a key, or nil where there is nothing of that kind.
local function readAll(code, key)
  local content
  if code == 'policy' then content = attempt('GET', key)
  elseif code == 'experience' then content = attempt('LRANGE', key, 0, -1)
  else content = attempt('HGETALL', key) end
  if not content or isFailure(content) or #content == 0 and code ~= 'policy' then return nil end
  return content
end
`;
