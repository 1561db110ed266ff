import { setTimeout as sleep } from 'node:timers/promises';
import { readHistory } from '../live/history.ts';
import { ORIGIN_STORES, type OriginStore } from '../live/key-space.ts';
import type { LivePlaces } from '../live/live-places.ts';

/** So many of each store show that its application is at work (again). */
const SOME_WRITES = 10;
const WITHIN_MS = 90_000;
const LOOK_EVERY_MS = 200;

/** Resolves when every application has had some more of its writes acknowledged. */
export async function everybodyWrites(
  { historyFile }: Pick<LivePlaces, 'historyFile'>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const untilMs = performance.now() + WITHIN_MS;
  const acknowledged = (store: OriginStore): number =>
    readHistory(historyFile(store)).filter(({ event }) => event === 'acknowledged').length;
  const goals = new Map(ORIGIN_STORES.map((store) => [store, acknowledged(store) + SOME_WRITES]));
  for (const [store, goal] of goals) {
    while (acknowledged(store) < goal) {
      if (performance.now() > untilMs)
        throw new Error(`Nobody can write to ${store}, for ${WITHIN_MS / 1_000} s.`);
      await sleep(LOOK_EVERY_MS, undefined, { signal });
    }
  }
}
