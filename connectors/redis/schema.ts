import { ChangeoverError } from '../../core/errors.ts';
import type { StoreContext } from '../connector.ts';
import type { RedisClient } from './client/client.ts';
import { script } from './client/script.ts';
import { findForeignKey } from './foreign-keys.ts';
import { formatPattern, type KeyPattern } from './key-patterns.ts';
import { type Layout, quote } from './layout.ts';
import { MARKS_KEY } from './options.ts';

type Owner = Pick<StoreContext, 'name' | 'role'>;

/** Somebody of the other role whose keys could be ours. */
interface Rival extends Owner {
  readonly place: string;
}

/**
 * Looks for a mark of the other role whose keys could be ours, and leaves our own marks where there is none. In one step,
 * so that of two that prepare at once one sees the other.
 *
 * KEYS: marks. ARGV: role, mark (JSON), 1 to leave marks or 0 to look only; per place: name, prefix, suffix.
 * Answers nothing, or the name of the place and the other's mark.
 */
const MARK_PLACES = script(`
local function begins(text, start) return string.sub(text, 1, #start) == start end
local function ends(text, finish) return finish == '' or string.sub(text, -#finish) == finish end
local function meet(left, right, matches) return matches(left, right) or matches(right, left) end

local marks = redis.call('HGETALL', KEYS[1])
for number = 1, #marks, 2 do
  local mark = cjson.decode(marks[number + 1])
  if mark.role ~= ARGV[1] then
    for place = 4, #ARGV, 3 do
      if meet(mark.prefix, ARGV[place + 1], begins) and meet(mark.suffix, ARGV[place + 2], ends) then
        return { marks[number], marks[number + 1] }
      end
    end
  end
end
if ARGV[3] == '1' then
  for place = 4, #ARGV, 3 do
    local mark = cjson.decode(ARGV[2])
    mark.prefix, mark.suffix = ARGV[place + 1], ARGV[place + 2]
    redis.call('HSETNX', KEYS[1], ARGV[place], cjson.encode(mark))
  end
end
return false
`);

/** Why a store must not work in a place, and what to do. */
export interface Conflict {
  readonly says: string;
  readonly hint: string;
}

/**
 * Redis needs nothing made. What is left is the mark of the role: which configuration's keys these are, so that a legacy
 * store and a target in one database cannot overwrite each other. Throws `conflict` where that could happen.
 */
export async function markPlaces(client: RedisClient, layout: Layout, owner: Owner): Promise<void> {
  const conflict = (await findConflict(client, layout, owner)) ?? (await leaveMarks(client, layout, owner));
  if (conflict === undefined) return;
  throw new ChangeoverError('conflict', `Redis at ${client.where}: ${conflict.says}.`, {
    hint: conflict.hint,
  });
}

/** A mark of the other role on keys that could be ours, or a target's place full of somebody's keys. Changes nothing. */
export async function findConflict(
  client: RedisClient,
  layout: Layout,
  owner: Owner,
): Promise<Conflict | undefined> {
  const rival = await runMarks(client, layout, owner, false);
  if (rival !== undefined) return conflictWith(rival, owner);
  // A legacy store is full of keys that are not from us.
  const foreign = owner.role === 'target' ? await findForeignKey(client, layout) : undefined;
  if (foreign === undefined) return undefined;
  return {
    says: `keys ${foreign.pattern} are in use: ${quote(foreign.key)} is there, and Changeover did not write it`,
    hint: `Give ${owner.name} a database of its own (db), or keys of its own (keys), or delete what is there.`,
  };
}

async function leaveMarks(client: RedisClient, layout: Layout, owner: Owner): Promise<Conflict | undefined> {
  const rival = await runMarks(client, layout, owner, true);
  return rival && conflictWith(rival, owner);
}

function conflictWith({ place, name, role }: Rival, owner: Owner): Conflict {
  return {
    says: `keys ${place} belong to ${name}, a ${role} store; ${owner.name} is a ${owner.role} store`,
    hint: `Give the two stores different databases, or different keys and bookkeepingPrefix. (Where ${name} is gone for good: HDEL ${MARKS_KEY} ${JSON.stringify(place)}.)`,
  };
}

async function runMarks(
  client: RedisClient,
  layout: Layout,
  { role, name }: Owner,
  leaves: boolean,
): Promise<Rival | undefined> {
  const own: KeyPattern = { prefix: layout.bookkeepingPrefix, suffix: '' };
  const places = [own, ...Object.values(layout.patterns)];
  const found = (await client.run(
    MARK_PLACES,
    [MARKS_KEY],
    [
      role,
      JSON.stringify({ role, name }),
      leaves ? '1' : '0',
      ...places.flatMap((place) => [formatPattern(place), place.prefix, place.suffix]),
    ],
  )) as [place: Buffer, mark: Buffer] | null;
  if (found === null) return undefined;
  const mark = JSON.parse(found[1].toString()) as Owner;
  return { place: found[0].toString(), role: mark.role, name: mark.name };
}
