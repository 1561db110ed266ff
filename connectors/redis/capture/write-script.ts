import { REMEMBER_EVENTS_MS } from '../../outbox-options.ts';
import { PLACE_LUA } from '../apply/experience-scripts.ts';
import { LIST_LUA } from '../apply/list-lua.ts';
import { type Script, script } from '../client/script.ts';
import { type CaptureScope, captureLua, luaKey, luaText } from './record-lua.ts';
import { REMOVAL_LUA } from './removal-lua.ts';

/**
 * Writes whole entities, captured.
 *
 * KEYS: none, but in a cluster the slot's fence. ARGV: path and writer, 1 where the batch has been let in already, budget; per write: code (record-lua.ts; its shape
 * follows from it), the entity's key, the key of Redis, agentId (for an experience of a delete a guess that may be empty), event
 * id or nothing, at (of an experience), number of parts, parts. The parts of an agent are fields and values, of a policy or an
 * experience its text, of a field its name and value. Without content it is a delete.
 *
 * Answers per write that it got to: status and version, or `obstacle` and what is in the way. It stops at an experience
 * whose list has to be listed first (`unlisted`, `unlocated`).
 */
export function writeScript(scope: CaptureScope): Script {
  const { prefix, suffix } = scope.layout.patterns.experiences;
  return script(`${captureLua(scope)}${REMOVAL_LUA}${LIST_LUA}
local prefix, suffix, listed = ${luaText(prefix)}, ${luaText(suffix)}, LISTED
${PLACE_LUA}
local EVENT, REMEMBER_MS = ${luaKey(scope, 'event', ':')}, ${REMEMBER_EVENTS_MS}
local TYPES = { agent = 'hash', policy = 'string', q = 'hash', named = 'hash' }
local SLICE = 2000

local function extras(agent, event)
  local more = nil
  if agent then more = { 'agent', agent } end
  if event ~= '' then more = more or {}; more[#more + 1] = 'event'; more[#more + 1] = event end
  return more
end

local function putHash(key, first, last)
  call('DEL', key)
  for start = first, last, SLICE do
    call('HSET', key, unpack(ARGV, start, math.min(start + SLICE - 1, last)))
  end
end

local function writePlaced(code, id, key, agent, event, first, count)
  local kind, inField = KINDS[code], code == 'q' or code == 'named'
  local found = call('TYPE', key).ok
  local deletes = count < (inField and 2 or 1)
  if found ~= 'none' and found ~= TYPES[code] and not deletes then return { 'obstacle', found } end
  local isOurs = found == TYPES[code]
  local before = nil
  if inField then
    before = isOurs and call('HGET', key, ARGV[first]) or nil
  elseif isOurs and deletes then
    before = readAll(code, key)
    if code == 'agent' then before = before and cmsgpack.pack(before) end
  end
  if tracking and found == 'none' and call('ZSCORE', EXPIRIES, key) then settle(code, key, agent) end
  if deletes then
    if isOurs then
      if inField then call('HDEL', key, ARGV[first]) else call('DEL', key) end
      if tracking and call('EXISTS', key) == 0 then forget(key) end
    end
    return { 'written', record(kind, id, 'd', nil, 'before', before, extras(nil, event)) }
  end
  local existed = before
  if inField then
    call('HSET', key, ARGV[first], ARGV[first + 1])
    keepTrack(code, key, agent, { ARGV[first] })
  else
    existed = isOurs
    if code == 'agent' then putHash(key, first, first + count - 1) else call('SET', key, ARGV[first]) end
    forget(key)
  end
  local state = ARGV[inField and first + 1 or first]
  if code == 'agent' then
    local content = {}
    for place = 0, count - 1 do content[place + 1] = ARGV[first + place] end
    state = cmsgpack.pack(content)
  end
  return { 'written', record(kind, id, existed and 'u' or 'c', nil, 'state', state, extras(nil, event)) }
end

local function writeExperience(id, key, agent, event, at, text)
  local held = heldOf('experience', id)
  local hindrance = obstacle(held, agent, text == '')
  if hindrance then return { 'obstacle', hindrance } end
  if text ~= '' and tracking and call('EXISTS', key) == 0 and call('ZSCORE', EXPIRIES, key) then
    settle('experience', key, agent)
    held = heldOf('experience', id)
  end
  local before, holder = apply(held, id, agent, tonumber(at), text)
  if text == '' then
    return { 'written', record('experience', id, 'd', nil, 'before', before, extras(before and holder, event)) }
  end
  keepTrack('experience', key, agent, { id })
  local locator = ' ' .. at .. ' ' .. agent
  local op = before and 'u' or 'c'
  return { 'written', record('experience', id, op, locator, 'state', text, extras(agent, event)) }
end

begin()
local replies, place, budget = {}, 4, tonumber(ARGV[3])
if ARGV[2] ~= '1' and isFull() then return redis.error_reply('CHANGEOVER full ' .. (MAX_ENTRIES - room)) end
while place <= #ARGV and work <= budget do
  local code, id, key, agent, event, at = unpack(ARGV, place, place + 5)
  local count, first = tonumber(ARGV[place + 6]), place + 7
  local seen = event ~= '' and call('GET', EVENT .. event)
  local reply
  if seen then reply = { 'repeated', seen }
  elseif code == 'experience' then
    reply = writeExperience(id, key, agent, event, at, count > 0 and ARGV[first] or '')
  else reply = writePlaced(code, id, key, agent, event, first, count) end
  if event ~= '' and reply[1] == 'written' then call('SET', EVENT .. event, reply[2], 'PX', REMEMBER_MS) end
  replies[#replies + 1] = reply
  if reply[2] == 'unlisted' or reply[2] == 'unlocated' then break end
  place = first + count
end
finish()
return replies
`);
}
