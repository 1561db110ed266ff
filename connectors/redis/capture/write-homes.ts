import type { Layout } from '../layout.ts';
import { everyListIsListed, homesOf } from '../read/experience-homes.ts';
import { listEverything } from '../read/listing.ts';
import type { CaptureContext } from './context.ts';
import type { PlacedWrite } from './placed-write.ts';

/** The writes of a batch by where they go: all to one place, but for a cluster, where each slot has its own outbox. */
export interface WriteHomes {
  readonly homes: readonly (readonly [own: Layout, writes: readonly PlacedWrite[]])[];
  /**
   * Deletes of experiences that no slot knows. An id says nothing of its slot, and a delete that is noted in another slot
   * than a later write has its version by another clock. A slot that has once held an id knows it for ever.
   */
  readonly homeless: readonly PlacedWrite[];
}

/** A delete of an experience goes to where its id is known, or has been put just before. */
export async function homesIn(writes: readonly PlacedWrite[], context: CaptureContext): Promise<WriteHomes> {
  const { layout } = context;
  if (layout.cluster === undefined)
    return { homes: writes.length === 0 ? [] : [[layout, writes]], homeless: [] };
  const known = await knownHomes([...new Set(writes.filter(isLoose).map(({ id }) => id))], context);
  const put = new Map<string, Layout>();
  const groups = Map.groupBy(writes, (write) => {
    const own = isLoose(write) ? (put.get(write.id) ?? known.get(write.id)) : layout.at(write.key);
    if (write.code === 'experience' && own !== undefined) put.set(write.id, own);
    return own;
  });
  const homeless = groups.get(undefined) ?? [];
  return { homes: [...groups].flatMap(([own, some]) => (own === undefined ? [] : [[own, some]])), homeless };
}

/** Only the id of it is known. */
function isLoose({ code, parts }: PlacedWrite): boolean {
  return code === 'experience' && parts.length === 0;
}

async function knownHomes(
  ids: readonly string[],
  context: CaptureContext,
): Promise<ReadonlyMap<string, Layout>> {
  const homes = await homesOf(ids, context);
  if (homes.size === ids.length || (await everyListIsListed(context))) return homes;
  await listEverything(context);
  return await homesOf(ids, context);
}
