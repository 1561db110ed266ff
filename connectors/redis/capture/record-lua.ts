import type { Layout } from '../layout.ts';
import type { RedisOptions } from '../options.ts';

/** What the scripts of capture are made for. They are few, because what differs from process to process is no part of them. */
export interface CaptureScope {
  readonly layout: Layout;
  readonly outbox: RedisOptions['outbox'];
}

/** The name of a key of our own as Lua writes it. In a cluster a call's last key says which slot's it is. */
export function luaKey({ layout }: Pick<CaptureScope, 'layout'>, name: string, rest = ''): string {
  const { bookkeepingPrefix: prefix, cluster } = layout;
  if (cluster === undefined) return luaText(`${prefix}${name}${rest}`);
  return `${luaText(`${prefix}${name}`)} .. TAG${rest === '' ? '' : ` .. ${luaText(rest)}`}`;
}

/** A text as Lua writes it, whatever is in it. */
export function luaText(text: string): string {
  const escaped = Buffer.from(text)
    .toString('latin1')
    .replaceAll(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to be escaped
      /[\u0000-\u001f"\\\u007f-\u00ff]/g,
      (character) => `\\${String(character.charCodeAt(0)).padStart(3, '0')}`,
    );
  return `"${escaped}"`;
}

/**
 * What all scripts of capture share: the clock, the versions, the outbox. A script is run anew for each call, and making
 * a function costs it more than a look into a small hash, so this is little, and the rest (removal-lua.ts) is made when it
 * is needed.
 *
 * ARGV[1] is the path and the writer of all changes of the call. `begin` comes first and `finish` last; between them nothing
 * may throw, because Redis rolls nothing back. All entries of a call are of one moment, each with a version of its own.
 *
 * An entry of the outbox: `change` is kind, op, version, time, path, writer; `key` the entity's key; `state` and `before` what
 * Redis holds of it (a hash as MessagePack array of fields and values); `agent` whose list holds an experience; `event`.
 */
export function captureLua(scope: CaptureScope): string {
  const { outbox } = scope;
  const key = (name: string, rest?: string) => luaKey(scope, name, rest);
  return `${scope.layout.cluster === undefined ? '' : `\nlocal TAG = string.match(KEYS[#KEYS], '{[^}]*}')`}
local OUTBOX, LOST = ${key('outbox')}, ${key('outbox', ':lost')}
local CLOCK, LISTED = ${key('clock')}, ${key('listed')}
local EXPIRIES, MEMBERS = ${key('expiries')}, ${key('members', ':')}
local VERSIONS = ${key('versions', ':')}
local MAX_ENTRIES, REFUSES = ${outbox.maxEntries}, ${outbox.whenFull === 'refuse'}
local KINDS = { agent = 'agent', policy = 'policy', named = 'policy', q = 'q-value', experience = 'experience' }
local call, attempt = redis.call, redis.pcall

local function whole(number) return string.format('%.0f', number) end

local now, last, room, tail, tracking
local function begin()
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
  last = tonumber(call('GET', CLOCK) or '0')
  if not last then error('CHANGEOVER cannot read the clock') end
  room = MAX_ENTRIES - call('XLEN', OUTBOX)
  tracking = call('EXISTS', EXPIRIES) == 1
  tail = ' ' .. whole(now) .. ' ' .. ARGV[1]
end

local function isFailure(reply) return type(reply) == 'table' and reply.err ~= nil end

local function isFull() return REFUSES and room <= 0 end

-- What the versions hash says, what this call has stamped included.
local stamped = {}
local function heldOf(kind, id)
  return stamped[kind] and stamped[kind][id] or call('HGET', VERSIONS .. kind, id)
end

-- Stamps a change and puts it into the outbox. More is a list of further fields, or nil.
local function record(kind, id, op, locator, name, content, more)
  last = now > last and now or last + 1
  local version = whole(last)
  local own = stamped[kind]
  if not own then own = {}; stamped[kind] = own end
  own[id] = op == 'd' and '-' .. version or locator and version .. locator or version
  if room > 0 or REFUSES then
    room = room - 1
    local head = kind .. ' ' .. op .. ' ' .. version .. tail
    if not content then call('XADD', OUTBOX, '*', 'change', head, 'key', id, unpack(more or {}))
    elseif not more then call('XADD', OUTBOX, '*', 'change', head, 'key', id, name, content)
    else call('XADD', OUTBOX, '*', 'change', head, 'key', id, name, content, unpack(more)) end
  else
    call('HSETNX', LOST, 'first', whole(now))
    call('HSET', LOST, 'last', whole(now))
  end
  return version
end

local function finish()
  for kind, own in pairs(stamped) do
    local list = {}
    for id, text in pairs(own) do
      list[#list + 1] = id
      list[#list + 1] = text
      if #list >= 2000 then call('HSET', VERSIONS .. kind, unpack(list)); list = {} end
    end
    if #list > 0 then call('HSET', VERSIONS .. kind, unpack(list)) end
  end
  if next(stamped) then call('SET', CLOCK, whole(last)) end
end
`;
}
