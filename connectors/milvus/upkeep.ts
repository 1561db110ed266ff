import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { PURGE_BATCH, type PurgeOptions, type TombstoneCount, type Upkeep } from '../upkeep.ts';
import type { MilvusConnection } from './connection.ts';
import { pages } from './pages.ts';
import { type MilvusRow, VERSION_FIELDS, versionOf } from './rows.ts';
import type { FoundCollections } from './schema.ts';
import { filterParts, isLeftover, type VersionReader } from './versions.ts';

interface UpkeepOptions {
  readonly connection: MilvusConnection;
  readonly collections: FoundCollections;
  readonly versions: VersionReader;
}

/**
 * Milvus deletes by id, whatever stands under it at that moment: a tombstone that a sink wrote after we looked would go with the old
 * one. So a purge, like a sink, is right only as the one writer, which its caller sees to (`oneWriter`). What a sink
 * remembers of the store (memory.ts) can then only be more than the store knows: a tombstone that has gone keeps the same older changes
 * out for another minute.
 */
export function openUpkeep(options: UpkeepOptions): Upkeep {
  return {
    kinds: ['embedding'],
    countTombstones: (_kind, before, signal) => count(options, before, signal),
    purgeTombstones: (_kind, before, purging) => purge(options, before, purging),
  };
}

async function count(options: UpkeepOptions, before: number, signal?: AbortSignal): Promise<TombstoneCount> {
  let [all, older] = [0, 0];
  for await (const page of tombstonePages(options, PURGE_BATCH, signal)) {
    all += page.length;
    older += page.filter((row) => versionOf(row) < before).length;
  }
  return { all, older };
}

async function* purge(
  options: UpkeepOptions,
  before: number,
  { limit = PURGE_BATCH, signal }: PurgeOptions = {},
): AsyncGenerator<number> {
  for await (const page of tombstonePages(options, limit, signal)) {
    const old = page.filter((row) => versionOf(row) < before).map((row) => row.id as string);
    let removed = 0;
    for (const ids of filterParts(old)) removed += await purgeSome(options, before, ids);
    yield removed;
  }
}

async function* tombstonePages(
  { connection, collections }: UpkeepOptions,
  limit: number,
  signal?: AbortSignal,
): AsyncGenerator<readonly MilvusRow[]> {
  if (!(await collections.hasTombstones())) return;
  const query = { collection: collections.tombstones, range: WHOLE_RANGE, fields: VERSION_FIELDS, limit };
  yield* pages(connection, query, signal);
}

async function purgeSome(
  { connection, collections, versions }: UpkeepOptions,
  before: number,
  ids: readonly string[],
): Promise<number> {
  const held = await versions.held(ids);
  const old = ids.filter((id) => (held.get(id)?.tombstone ?? before) < before);
  // A row that its tombstone has overtaken is dead by that tombstone alone: it goes first, or it would be alive again.
  const leftovers = old.filter((id) => {
    const found = held.get(id);
    return found !== undefined && isLeftover(found);
  });
  if (leftovers.length > 0) await connection.remove(collections.embeddings, leftovers);
  if (old.length > 0) await connection.remove(collections.tombstones, old);
  return old.length;
}
