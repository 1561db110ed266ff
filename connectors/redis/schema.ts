import { ChangeoverError } from '../../core/errors.ts';
import type { StoreContext } from '../connector.ts';
import type { RedisClient } from './client.ts';
import { formatPattern, type KeyPattern } from './key-patterns.ts';
import type { Layout } from './layout.ts';
import { MARKS_KEY } from './options.ts';
import { script } from './script.ts';

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

/**
 * Redis needs nothing made. What is left is the mark of the role: which configuration's keys these are, so that a legacy
 * store and a target in one database cannot overwrite each other.
 */
export async function markPlaces(client: RedisClient, layout: Layout, owner: Owner): Promise<void> {
  const rival = await runMarks(client, layout, owner, true);
  if (rival !== undefined) throw conflict(client.where, owner, rival);
}

/** The other role's mark on keys that could be ours, if there is one. Changes nothing. */
export function findRival(client: RedisClient, layout: Layout, owner: Owner): Promise<Rival | undefined> {
  return runMarks(client, layout, owner, false);
}

async function runMarks(
  client: RedisClient,
  layout: Layout,
  { role, name }: Owner,
  leave: boolean,
): Promise<Rival | undefined> {
  const own: KeyPattern = { prefix: layout.bookkeepingPrefix, suffix: '' };
  const places = [own, ...Object.values(layout.patterns)];
  const found = (await client.run(
    MARK_PLACES,
    [MARKS_KEY],
    [
      role,
      JSON.stringify({ role, name }),
      leave ? '1' : '0',
      ...places.flatMap((place) => [formatPattern(place), place.prefix, place.suffix]),
    ],
  )) as [place: Buffer, mark: Buffer] | null;
  if (found === null) return undefined;
  const mark = JSON.parse(found[1].toString()) as Owner;
  return { place: found[0].toString(), role: mark.role, name: mark.name };
}

function conflict(where: string, owner: Owner, rival: Rival): ChangeoverError {
  return new ChangeoverError(
    'conflict',
    `Keys ${rival.place} in Redis at ${where} belong to ${rival.name}, a ${rival.role} store; ${owner.name} is a ${owner.role} store.`,
    {
      hint: `Give the two stores different databases, or different keys and bookkeepingPrefix. (Where ${rival.name} is gone for good: HDEL ${MARKS_KEY} ${JSON.stringify(rival.place)}.)`,
    },
  );
}
