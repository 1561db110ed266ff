import type { World } from './fault.ts';

const ALL_WITHIN_MS = 90_000;
const LOOK_EVERY_MS = 250;

/** Resolves when every process that follows is a member of every group: what becomes of one that is not, shows nothing. */
export async function everybodyIn({ followers, lives, progress, pause }: World): Promise<void> {
  const untilMs = performance.now() + ALL_WITHIN_MS;
  for (const store of followers.keys()) {
    while ((await progress.members(store)).size < lives('run').length) {
      if (performance.now() > untilMs)
        throw new Error(`Not everybody is in the group of ${store}, after ${ALL_WITHIN_MS / 1_000} s.`);
      await pause(LOOK_EVERY_MS);
    }
  }
}

/** Of all groups. */
export async function membersNow({ followers, progress }: World): Promise<Set<string>> {
  const all = await Promise.all(Array.from(followers.keys(), (store) => progress.members(store)));
  return new Set(all.flatMap((members) => [...members]));
}
