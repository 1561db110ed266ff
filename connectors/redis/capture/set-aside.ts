import { chunked } from '../../../core/sequence.ts';
import type { SetAsideEntry } from '../../capture.ts';
import type { CapturingClient } from '../client/client.ts';
import { script } from '../client/script.ts';
import type { Layout } from '../layout.ts';
import { headIn } from './outbox-entry.ts';

interface AsideContext {
  readonly client: CapturingClient;
  /** The name of the store. */
  readonly store: string;
}

interface Kept extends SetAsideEntry {
  /** Its name in the stream of what was set aside. */
  readonly place: string;
}

const ENTRIES_PER_READ = 100;
const PLACES_PER_CALL = 1_000;

/**
 * What names the entries, without what they say of the state, which may be long. KEYS: where they are kept. ARGV: from, how
 * many. The first two fields are ours (drain-scripts.ts); what follows may be anything, and have their names too.
 */
const PAGE = script(`
local page = {}
for index, found in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])) do
  local place, fields = found[1], found[2]
  local change, key = '', ''
  for at = 5, #fields, 2 do
    if fields[at] == 'change' then change = fields[at + 1] elseif fields[at] == 'key' then key = fields[at + 1] end
  end
  page[index] = { place, fields[2], fields[4], change, key }
end
return page
`);

/** KEYS: where they are kept. ARGV: their places there. Answers how many there were. */
const FORGET = script(`
local gone = redis.call('XDEL', KEYS[1], unpack(ARGV))
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[1]) end
return gone
`);

type PageRow = readonly [place: Buffer, id: Buffer, reason: Buffer, change: Buffer, key: Buffer];

async function* pagesOf({ client, store }: AsideContext, own: Layout): AsyncGenerator<readonly Kept[]> {
  for (let from = '-'; ; ) {
    const rows = (await client.run(
      PAGE,
      [own.asideKey],
      [from, String(ENTRIES_PER_READ)],
    )) as readonly PageRow[];
    const page = rows.map(([place, id, reason, change, key]): Kept => {
      const head = headIn(change, store);
      return {
        place: place.toString(),
        id: id.toString(),
        kind: head?.kind ?? '',
        key: key.toString(),
        reason: reason.toString(),
        capturedUs: head?.capturedAt ?? null,
      };
    });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    from = `(${last.place}`;
  }
}

/** What was set aside of one outbox. `nameOf` says how an entry of it is called outside. */
export async function* setAsideOf(
  context: AsideContext,
  own: Layout,
  nameOf: (id: string) => string = (id) => id,
): AsyncGenerator<SetAsideEntry> {
  for await (const page of pagesOf(context, own)) {
    for (const { place: _, ...entry } of page) yield { ...entry, id: nameOf(entry.id) };
  }
}

/** Entries are found by reading them from the oldest on: who lists them and clears what was listed finds them at once. */
export async function clearSetAsideOf(
  context: AsideContext,
  own: Layout,
  ids: readonly string[],
): Promise<number> {
  const wanted = new Set(ids);
  const places: string[] = [];
  for await (const page of pagesOf(context, own)) {
    for (const { id, place } of page) if (wanted.delete(id)) places.push(place);
    if (wanted.size === 0) break;
  }
  let gone = 0;
  for (const chunk of chunked(places, PLACES_PER_CALL)) {
    gone += Number(await context.client.run(FORGET, [own.asideKey], chunk));
  }
  return gone;
}
