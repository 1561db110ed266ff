import type { Kind } from '../../schemas/kinds.ts';
import { PURGE_BATCH, type PurgeOptions, type TombstoneCount, type Upkeep } from '../upkeep.ts';
import { lockNodes, removeIdleStubs } from './lock-nodes.ts';
import { type Names, type NodeNames, quoted } from './names.ts';
import { requirePrepared } from './schema.ts';
import type { StoreScope } from './scope.ts';
import { stubsOf } from './stubs.ts';

/** The tombstones of one kind. */
interface Graves {
  readonly label: string;
  /** The property by which they are found, which is unique. */
  readonly key: 'id' | 'key';
  /** The nodes under whose locks a sink reads and writes such a tombstone. */
  readonly guards: NodeNames;
  /** Of a tombstone `t`: a list of the ids of these nodes. */
  readonly guardIds: string;
}

export function openUpkeep(scope: StoreScope): Upkeep {
  const { kinds } = scope.context;
  return {
    kinds,
    countTombstones: (kind, before, signal) => count(scope, gravesOf(scope.names, kind), before, signal),
    purgeTombstones: (kind, before, options) => purge(scope, gravesOf(scope.names, kind), before, options),
    stubs: stubsOf(scope),
  };
}

function gravesOf({ agent, memory, relationshipTombstone }: Names, kind: Kind): Graves {
  const own = { key: 'id', guardIds: '[t.id]' } as const;
  if (kind === 'agent') return { ...own, label: agent.tombstone, guards: agent };
  if (kind === 'embedding') return { ...own, label: memory.tombstone, guards: memory };
  if (kind === 'relationship') {
    return { label: relationshipTombstone, key: 'key', guards: agent, guardIds: '[t.source, t.target]' };
  }
  throw new Error(`Neo4j holds no ${kind}.`);
}

async function count(
  { client }: StoreScope,
  { label }: Graves,
  before: number,
  signal?: AbortSignal,
): Promise<TombstoneCount> {
  signal?.throwIfAborted();
  const [row] = await client.query(
    `MATCH (t:${quoted(label)})
     RETURN count(t) AS all, count(CASE WHEN t.version < $before THEN 1 END) AS older`,
    { before },
  );
  return { all: Number(row?.get('all') ?? 0), older: Number(row?.get('older') ?? 0) };
}

interface Grave {
  readonly key: string;
  readonly version: unknown;
  readonly guardIds: readonly (string | null)[];
}

/**
 * Walks all of them by their unique key, so that those which stay are looked at once. Without what `prepare` makes nothing is removed, as
 * nothing is written: no lock would hold.
 */
async function* purge(
  scope: StoreScope,
  graves: Graves,
  before: number,
  { limit = PURGE_BATCH, signal }: PurgeOptions = {},
): AsyncGenerator<number> {
  let prepared = false;
  for (let after = ''; ; ) {
    signal?.throwIfAborted();
    const page = await readPage(scope, graves, after, limit);
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.key;
    const old = page.filter(isOlder(before));
    if (old.length > 0 && !prepared) {
      await requirePrepared(scope);
      prepared = true;
    }
    yield old.length === 0 ? 0 : await purgeSome(scope, graves, before, old);
  }
}

/** What is deleted while it is read has lost some of its properties: it needs no purge any more. */
function isOlder(before: number) {
  return ({ version, guardIds }: Grave): boolean =>
    version !== null && Number(version) < before && guardIds.every((id) => id !== null);
}

async function readPage(
  { client }: StoreScope,
  { label, key, guardIds }: Graves,
  after: string,
  limit: number,
): Promise<readonly Grave[]> {
  const rows = await client.query(
    `MATCH (t:${quoted(label)}) WHERE t.${key} > $after
     WITH t, t.${key} AS key ORDER BY key LIMIT toInteger($limit)
     RETURN key, t.version AS version, ${guardIds} AS guardIds ORDER BY key`,
    { after, limit },
  );
  return rows.map((row) => ({
    key: row.get('key'),
    version: row.get('version'),
    guardIds: row.get('guardIds'),
  }));
}

/**
 * In one transaction, as the sink does it (apply-nodes.ts): lock the nodes that guard these keys, which makes stubs of those that are
 * not there; look at the versions again, which nobody can change now; remove; and let the stubs go that were only made to be locked.
 */
function purgeSome(
  { client }: StoreScope,
  { label, key, guards }: Graves,
  before: number,
  old: readonly Grave[],
): Promise<number> {
  const ids = [...new Set(old.flatMap(({ guardIds }) => guardIds.filter((id) => id !== null)))].sort();
  return client.transact(async (transaction) => {
    await lockNodes(transaction, guards, ids);
    const { rows } = await transaction.run(
      `MATCH (t:${quoted(label)}) WHERE t.${key} IN $keys AND t.version < $before
       DELETE t RETURN count(t) AS removed`,
      { keys: old.map((grave) => grave.key), before },
    );
    await removeIdleStubs(transaction, guards, ids);
    return Number(rows[0]?.get('removed') ?? 0);
  });
}
