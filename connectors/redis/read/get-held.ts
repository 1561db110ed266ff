import type { EntityOf } from '../../../schemas/change.ts';
import { parseKey } from '../../../schemas/keys.ts';
import type { Held } from '../../../schemas/version.ts';
import type { RedisKind } from '../layout.ts';
import { versionOf } from '../versions.ts';
import { type ReadContext, type ReadItem, readEntities } from './entity-reader.ts';
import { everyListIsListed } from './experience-homes.ts';
import { readExperiences } from './experience-reader.ts';
import { locateExperiences } from './locate.ts';

/**
 * What the store knows of each key, in their order. A tombstone is answered only for what a delete of ours removed.
 * Undefined is not only what was never heard of, but also what has gone without a delete (it expired, was evicted, or its
 * application removed it), and what is there but is no entity. Whoever mends differences must not take either for a
 * delete and spread it; the scan reports what is no entity.
 */
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
    if (entity !== null) return { version: versionOf(held), entity };
    return held?.deleted === true ? { version: held.version, entity } : undefined;
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
