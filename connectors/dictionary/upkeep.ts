import type { Kind } from '../../schemas/kinds.ts';
import type { PurgeOptions, TombstoneCount, Upkeep } from '../upkeep.ts';
import type { DictionaryClient } from './client.ts';
import type { Snapshot } from './read/snapshot.ts';

/**
 * Tombstones are lines of the versions file and entries of the journal. To remove some is to fold the journal into new files
 * without them: one step, and as safe against a crash as every compaction. Only the owner of the dictionary may; another process
 * that owns it is a `conflict`.
 */
export function openUpkeep(client: DictionaryClient, kinds: readonly Kind[]): Upkeep {
  return {
    kinds,
    countTombstones: (kind, before, signal) =>
      client.withSnapshot((snapshot) => count(snapshot, kind, before, signal)),
    purgeTombstones: (kind, before, options) => purge(client, kind, before, options),
  };
}

async function* purge(
  client: DictionaryClient,
  kind: Kind,
  before: number,
  { signal }: PurgeOptions = {},
): AsyncGenerator<number> {
  const owner = await client.own();
  const { older } = await client.withSnapshot((snapshot) => count(snapshot, kind, before, signal));
  // Without any the files need not be written anew.
  if (older === 0) return;
  let removed = 0;
  await owner.compact(({ place, version }) => {
    const goes = place[0] === kind && version !== null && version < before;
    if (goes) removed++;
    return goes;
  });
  yield removed;
}

/** What the journal says of a key counts before what the file says. */
async function count(
  { overlay, versions }: Snapshot,
  kind: Kind,
  before: number,
  signal?: AbortSignal,
): Promise<TombstoneCount> {
  let [all, older] = [0, 0];
  const note = (version: number | null): void => {
    all++;
    if (version !== null && version < before) older++;
  };
  const held = kind === 'agent' ? [overlay.agents] : overlay.ties.values();
  for (const states of held) {
    for (const { version, entity } of states.values()) if (entity === null) note(version);
  }
  const kept = versions?.lines.cursor(null);
  for (;;) {
    if (kept?.waits === true) {
      signal?.throwIfAborted();
      await kept.load();
    }
    const line = kept?.head;
    if (kept === undefined || line === undefined) return { all, older };
    kept.advance();
    const { place, deleted, version } = line;
    if (deleted && place[0] === kind && overlay.versionOf(place) === undefined) note(version);
  }
}
