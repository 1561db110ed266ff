import { chunked } from '../../../core/sequence.ts';
import { askAllSlots } from '../client/all-slots.ts';
import type { RedisClient } from '../client/client.ts';
import { pipelined } from '../client/pipelines.ts';
import { keyFor } from '../key-patterns.ts';
import type { Layout } from '../layout.ts';
import { parseHeldVersion } from '../versions.ts';

interface HomesContext {
  readonly client: RedisClient;
  readonly layout: Layout;
}

const IDS_AT_ONCE = 200;

/** Where it is noted what nobody has heard of: which lists were listed all, and deletes of what is nowhere. */
export function homeOfUnknown(layout: Layout): Layout {
  return layout.at(keyFor(layout.patterns.experiences, ''));
}

/** Whether an id that is known nowhere is in no list. */
export function everyListIsListed({ client, layout }: HomesContext): Promise<boolean> {
  return client.call(async (redis) => (await redis.sismember(homeOfUnknown(layout).listedKey, '')) === 1);
}

/** The slots that held experiences when all slots were asked last, by whose connection they were asked. */
const seen = new WeakMap<RedisClient, readonly Layout[]>();

/**
 * The slots of experiences of which only the id is known. An id says nothing of its list, so in a cluster every slot that
 * holds experiences is asked: where it stands, else where it was deleted last. Those that nobody knows are not answered.
 */
export async function homesOf(
  ids: readonly string[],
  context: HomesContext,
): Promise<ReadonlyMap<string, Layout>> {
  const { client, layout } = context;
  if (layout.cluster === undefined || ids.length === 0) return new Map(ids.map((id) => [id, layout]));
  const early = await bestOf(ids, seen.get(client) ?? [], client);
  const homes = new Map([...early].filter(([, { rank }]) => rank >= 0).map(([id, { own }]) => [id, own]));
  const missing = ids.filter((id) => !homes.has(id));
  if (missing.length === 0) return homes;
  // One that stands nowhere may have come to a slot that had none.
  const inUse = await askAllSlots(context, {
    command: 'exists',
    keys: (own) => [own.versionsKey('experience')],
  });
  const layouts = inUse.map(([own]) => own);
  seen.set(client, layouts);
  for (const [id, { own }] of await bestOf(missing, layouts, client)) homes.set(id, own);
  return homes;
}

interface Candidate {
  readonly own: Layout;
  readonly rank: number;
}

async function bestOf(
  ids: readonly string[],
  layouts: readonly Layout[],
  client: RedisClient,
): Promise<ReadonlyMap<string, Candidate>> {
  const best = new Map<string, Candidate>();
  for (const some of chunked(ids, IDS_AT_ONCE)) {
    const answers = await pipelined(
      client,
      layouts.map((own) => ['hmget', own.versionsKey('experience'), ...some]),
    );
    for (const [number, own] of layouts.entries()) {
      const texts = answers[number] as readonly (string | null)[];
      for (const [index, id] of some.entries()) {
        const rank = rankOf(texts[index] ?? null);
        if (rank > (best.get(id)?.rank ?? Number.NEGATIVE_INFINITY)) best.set(id, { own, rank });
      }
    }
  }
  return best;
}

/** What stands is before what was deleted, and of both the newest. */
function rankOf(text: string | null): number {
  const held = text === null ? undefined : parseHeldVersion(text);
  if (held === undefined) return Number.NEGATIVE_INFINITY;
  const version = held.version ?? 0;
  return held.deleted ? version - Number.MAX_SAFE_INTEGER : version;
}
