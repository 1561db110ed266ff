import type { AskForProof, World } from './fault.ts';
import { Proof } from './proof.ts';
import { lettersAt, lettersOf } from './replay.ts';

/** Where poison is now, for each follower that gets it. */
export function poisonIn({ meddler, followers }: World): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(
    Array.from(followers, ([store, kinds]) => [
      store,
      new Set(kinds.flatMap((kind) => [...meddler.poisoned(kind)])),
    ]),
  );
}

/** A dead letter of each record of poison that has been added, in every follower that gets it. */
export function deadLettered(world: World, before: ReturnType<typeof poisonIn>): AskForProof {
  return async () => {
    const letters = await lettersOf(world.places.migration);
    let [added, found] = [0, 0];
    for (const [store, places] of poisonIn(world)) {
      const fresh = new Set([...places].filter((place) => before.get(store)?.has(place) !== true));
      added += fresh.size;
      found += lettersAt(world.places.migration.name, letters, `target.${store}`, fresh).length;
    }
    return Proof.counted(found, `dead letters of ${added} deliveries of poison`, added);
  };
}
