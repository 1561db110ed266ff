import type { EntityOf } from '../../schemas/change.ts';
import { parseKey } from '../../schemas/keys.ts';
import type { Held } from '../../schemas/version.ts';
import { type ReadContext, type ReadItem, readEntities } from './entity-reader.ts';
import { readExperiences } from './experience-reader.ts';
import type { RedisKind } from './layout.ts';
import { locateExperiences } from './locate.ts';

/** What the store knows of each key, in their order; undefined for never heard of. */
export async function getHeld(
  kind: RedisKind,
  keys: readonly string[],
  context: ReadContext,
): Promise<readonly (Held<RedisKind> | undefined)[]> {
  const items =
    kind === 'experience'
      ? await getExperiences(keys, context)
      : await readEntities(kind, keys.map((key) => parseKey(kind, key)) as never, context);
  return items.map(({ held, entity }: ReadItem<EntityOf[RedisKind]>) => {
    const version = held?.version ?? null;
    return version === null && entity === null ? undefined : { version, entity };
  });
}

/** First those that the versions hash knows, then the others by a pass over all lists. */
async function getExperiences(
  ids: readonly string[],
  context: ReadContext,
): Promise<readonly ReadItem<EntityOf[RedisKind]>[]> {
  const items = await readExperiences(
    ids.map((id) => ({ id })),
    context,
  );
  const unknown = new Set(ids.filter((_, index) => items[index]?.held === undefined));
  const listed = unknown.size > 0 && (await everyListIsListed(context));
  if (unknown.size === 0 || listed) return items;
  const located = await locateExperiences(unknown, context);
  const found = [...located.values()];
  const reread = new Map(found.map(({ id }, index) => [id, index]));
  const readAgain = await readExperiences(found, context);
  return items.map((item, index) => {
    const place = reread.get(ids[index] ?? '');
    return (place === undefined ? undefined : readAgain[place]) ?? item;
  });
}

function everyListIsListed({ client, layout }: ReadContext): Promise<boolean> {
  return client.call(async (redis) => (await redis.sismember(layout.listedKey, '')) === 1);
}
