import { type CaptureScope, captureLua, luaKey, luaText } from '../capture/record-lua.ts';
import { type Script, script } from '../client/script.ts';
import { MAX_AGENT_FIELDS } from '../read/agent-hash.ts';
import { RARE_ACTS_LUA } from './acts-lua.ts';

export interface InterceptScope extends CaptureScope {
  readonly maxChangeBytes: number;
}

/**
 * Runs commands of the application just as they came, and captures what became of each, in one step.
 *
 * KEYS: the keys of the commands, only to announce them, and in a cluster the slot's fence. ARGV: path and writer, number of commands; per command
 * (plans.ts makes them): what it does, code of its key, number of words and of hints, as one text; agentId; words; hints.
 *
 * Answers what the command answered; of several commands a list. What may not be written is answered as an error that
 * begins with CHANGEOVER, and nothing of that command was done.
 */
export function interceptScript(scope: InterceptScope): Script {
  const { prefix, suffix } = scope.layout.patterns.experiences;
  return script(`${captureLua(scope)}
local MAX_BYTES, MAX_FIELDS = ${scope.maxChangeBytes}, ${MAX_AGENT_FIELDS}
local REPEATED = ${luaKey(scope, 'repeated')}
local LIST_PREFIX, LIST_SUFFIX = ${luaText(prefix)}, ${luaText(suffix)}

local rare
local function rarely()
  if not rare then rare = (function()
${RARE_ACTS_LUA}
  end)() end
  return rare
end

-- Bytes of a field in a change: lengths and type beside the texts; a number has eight.
local function costOf(field, value) return #field + 4 + math.max(#value + 3, 8) end

local ACTS = {}

-- SET and its like. Hints: the entity's key, which word is the value, when it counts as written, 1 where it may set a time to live.
function ACTS.value(code, agent, key, first, words, hint)
  local existed = call('EXISTS', key) == 1
  local reply = attempt(unpack(ARGV, first, first + words - 1))
  if isFailure(reply) then return reply end
  local when = ARGV[hint + 2]
  if when == 'answered' and not reply or when == 'one' and reply ~= 1 or when == 'unanswered' and reply then return reply end
  local ttl = -1
  if ARGV[hint + 3] == '1' then ttl = call('PTTL', key) end
  if tracking or ttl >= 0 then
    local all = rarely()
    if not existed and call('ZSCORE', EXPIRIES, key) then all.settle(code, key, agent) end
    if ttl >= 0 then all.track(code, key, ttl) else all.forget(key) end
  end
  if ttl == -2 then record('policy', ARGV[hint], 'd')
  else record('policy', ARGV[hint], existed and 'u' or 'c', nil, 'state', ARGV[first + tonumber(ARGV[hint + 1])]) end
  return reply
end

-- HSET and its like, where each field is an entity. Hints: the entity's key of each field, empty where another value follows.
function ACTS.fields(code, agent, key, first, words, hint)
  local kind = KINDS[code]
  if words == 4 and ARGV[first] == 'hset' then
    local field, value = ARGV[first + 2], ARGV[first + 3]
    local reply = attempt('hset', key, field, value)
    if isFailure(reply) then return reply end
    if tracking then rarely().keepTrack(code, key, agent, { field }) end
    record(kind, ARGV[hint], reply == 1 and 'c' or 'u', nil, 'state', value)
    return reply
  end
  local count, created = (words - 2) / 2, {}
  local simple = count == 1 and ARGV[first] ~= 'hmset'
  if not simple then
    for number = 1, count do
      local found = attempt('HEXISTS', key, ARGV[first + number * 2])
      if isFailure(found) then return found end
      created[number] = found == 0
    end
  end
  local reply = attempt(unpack(ARGV, first, first + words - 1))
  if isFailure(reply) then return reply end
  if simple then
    created[1] = reply == 1
    if reply == 0 and ARGV[first] == 'hsetnx' then return reply end
  end
  if tracking then
    local fields = {}
    for number = 1, count do fields[number] = ARGV[first + number * 2] end
    rarely().keepTrack(code, key, agent, fields)
  end
  for number = 1, count do
    local id = ARGV[hint + number - 1]
    if id ~= '' then record(kind, id, created[number] and 'c' or 'u', nil, 'state', ARGV[first + number * 2 + 1]) end
  end
  return reply
end

-- HSET and its like of an agent. What the hash will hold is known before, and afterwards need not be read again.
function ACTS.attributes(code, agent, key, first, words)
  local name = ARGV[first]
  local content = attempt('HGETALL', key)
  if isFailure(content) then return content end
  local created, places, cost = #content == 0, {}, 512 + 2 * #agent
  for place = 1, #content, 2 do
    places[content[place]] = place + 1
    cost = cost + costOf(content[place], content[place + 1])
  end
  local before = nil
  for place = first + 2, first + words - 1, 2 do
    local field, value = ARGV[place], ARGV[place + 1]
    local own = places[field]
    if not own then
      own = #content + 2
      places[field] = own
      content[own - 1] = field
    else
      if name == 'hsetnx' then before = content[own] end
      cost = cost - costOf(field, content[own])
    end
    content[own] = value
    cost = cost + costOf(field, value)
  end
  if not before then
    if cost > MAX_BYTES then return { err = 'CHANGEOVER large ' .. cost } end
    if #content > MAX_FIELDS * 2 then return { err = 'CHANGEOVER fields ' .. #content / 2 } end
  end
  local reply = attempt(unpack(ARGV, first, first + words - 1))
  if isFailure(reply) or before then return reply end
  if name == 'hincrby' or name == 'hincrbyfloat' then
    content[places[ARGV[first + 2]]] = call('HGET', key, ARGV[first + 2])
  end
  if tracking then rarely().keepTrack(code, key, agent, {}) end
  record('agent', agent, created and 'c' or 'u', nil, 'state', cmsgpack.pack(content))
  return reply
end

-- RPUSH and its like. Hints: id and time of each element.
function ACTS.push(code, agent, key, first, words, hint)
  local count, others = words - 2, {}
  for number = 1, count do
    local id = ARGV[hint + number * 2 - 2]
    local held = heldOf('experience', id)
    local at, holder = string.match(held or '', '^%d+ (%S+) (.*)$')
    if holder then
      local there = rarely().standing(holder, id, at)
      if there and holder ~= agent then return { err = 'CHANGEOVER elsewhere ' .. id } end
      if there then others[id] = at end
    end
  end
  local existed = call('EXISTS', key) == 1
  local reply = attempt(unpack(ARGV, first, first + words - 1))
  if isFailure(reply) or reply == 0 then return reply end
  if not existed then call('SADD', LISTED, agent) end
  if tracking then
    local ids = {}
    for number = 1, count do ids[number] = ARGV[hint + number * 2 - 2] end
    rarely().keepTrack(code, key, agent, ids)
  end
  for number = 1, count do
    local id, at, element = ARGV[hint + number * 2 - 2], ARGV[hint + number * 2 - 1], ARGV[first + 1 + number]
    local op = 'c'
    if others[id] then
      -- It stands there twice now: what counts is what the source would read.
      call('SADD', REPEATED, id)
      local counts = rarely().standing(agent, id, others[id])
      if counts ~= element then at, element = others[id], counts end
      op = 'u'
    end
    record('experience', id, op, ' ' .. at .. ' ' .. agent, 'state', element, { 'agent', agent })
    others[id] = at
  end
  return reply
end

begin()
local heads, replies, place, count = {}, {}, 3, tonumber(ARGV[2])
for number = 1, count do
  local text = ARGV[place]
  local head = heads[text]
  if not head then
    local act, code, words, hints = string.match(text, '^(%a+) (%a+) (%d+) (%d+)$')
    head = { act, code, tonumber(words), tonumber(hints) }
    heads[text] = head
  end
  local act, words, first = head[1], head[3], place + 2
  local hint = first + words
  local reply
  if isFull() and act ~= 'expire' then reply = { err = 'CHANGEOVER full ' .. MAX_ENTRIES - room }
  else reply = (ACTS[act] or rarely()[act])(head[2], ARGV[place + 1], ARGV[first + 1], first, words, hint) end
  replies[number] = reply or false
  place = hint + head[4]
end
finish()
if count == 1 then return replies[1] end
return replies
`);
}
