/**
 * Experiences stand in a list per agent, oldest first. The versions hash says for each where it is, `<version> <at>
 * <agentId>`, so that it is found by halving the list by time; every element that is looked at counts as work, and a call
 * stops taking on more after `budget`.
 *
 * Where the list is not in order the whole of it is looked through, in one go and without a bound: some 3 s for a
 * million elements. It cannot be parted, because what is found in one call may stand elsewhere in the next, and an id
 * that stands twice must be replaced twice.
 *
 * The keys of lists are made here from the ids found in the versions hash, not announced in KEYS. In a cluster that hash
 * speaks of the lists of its own slot only.
 */
export const LIST_LUA = `
local work = 0
-- No JSON begins with this.
local MARK = '\\0changeover'

local function decode(text)
  work = work + 1
  local ok, value = pcall(cjson.decode, text or '')
  return ok and type(value) == 'table' and value or {}
end

local function elementAt(key, index) return decode(redis.call('LINDEX', key, index)) end
local function isList(key) return redis.call('TYPE', key).ok == 'list' end

-- version, whether deleted, at (or nil), agentId (or nil)
local function parseHeld(held)
  local sign, digits, at, agent = string.match(held or '', '^(%-?)(%d+) ?(%S*) ?(.*)$')
  if agent == '' then agent = nil end
  return digits, sign == '-', tonumber(at), agent
end

-- The first index whose element is not older, where the list is in order.
local function lowerBound(key, at)
  local low, high = 0, redis.call('LLEN', key)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local element = elementAt(key, middle)
    if type(element.at) ~= 'number' or element.at < at then low = middle + 1 else high = middle end
  end
  return low
end

-- Every index of an id, the highest first. Looks at the whole list, however long.
local function searchAll(key, id)
  local found = {}
  local last = redis.call('LLEN', key) - 1
  while last >= 0 do
    local first = math.max(0, last - 99)
    local page = redis.call('LRANGE', key, first, last)
    for offset = #page, 1, -1 do
      if decode(page[offset]).id == id then found[#found + 1] = first + offset - 1 end
    end
    last = first - 1
  end
  return found
end

local function search(key, id, at)
  local found = {}
  if at then
    local index, length = lowerBound(key, at), redis.call('LLEN', key)
    while index < length do
      local element = elementAt(key, index)
      if element.at ~= at then break end
      if element.id == id then table.insert(found, 1, index) end
      index = index + 1
    end
  end
  return #found > 0 and found or searchAll(key, id)
end
`;
