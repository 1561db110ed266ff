import type { ChangeOf } from '../../schemas/change.ts';
import { isNewer } from '../../schemas/version.ts';
import { APPLIED, type Outcome, STALE } from '../connector.ts';
import type { Transaction } from './client.ts';
import { lockNodes, removeIdleStubs } from './lock-nodes.ts';
import { LOCK_PROPERTY, type NodeNames, quoted } from './names.ts';
import { type Properties, readVersion, storedNumber, VERSION } from './values.ts';

/**
 * Applies changes of distinct keys, sorted by key, to the nodes of one label. In each function: lock every node, then
 * read what is held, then write what wins, then remove the stubs that nobody needs.
 */

export type NodeKind = 'agent' | 'embedding';

/** A node that should be there, with these properties and no others. */
export interface NodeState {
  readonly key: string;
  readonly version: number;
  readonly properties: Properties;
}

/**
 * One statement, at the speed of an unguarded one; it also forgets the deletes of what is there again. What makes it a
 * guard: the version's name is a parameter, so the planner must take it for any name, also for the one that REMOVE
 * touches, and so may not fetch it before REMOVE has taken the lock. (Written as `n._version` it is fetched together
 * with the node, before the lock: the plan shows `CacheProperties`, and two transactions that meet can both win.) For the
 * same reason the plan has Eager operators: first all locks, then all reads, then all writes; the batch is bounded.
 */
function upsertText({ label, stub, tombstone }: NodeNames): string {
  return `UNWIND range(0, size($keys) - 1) AS i
    MERGE (n:${quoted(label)} {id: $keys[i]}) ON CREATE SET n:${quoted(stub)}
    REMOVE n.${LOCK_PROPERTY}
    WITH n, i
    OPTIONAL MATCH (t:${quoted(tombstone)} {id: $keys[i]})
    WITH n, i, t
    WHERE coalesce(n[$version] < $versions[i], true) AND coalesce(t.version < $versions[i], true)
    SET n = $properties[i] REMOVE n:${quoted(stub)}
    DELETE t
    RETURN i`;
}

/** Works with a transaction for each statement, too: all that wins is one, and a stub that a crash leaves is no entity. */
export async function upsertNodes(
  transaction: Transaction,
  names: NodeNames,
  states: readonly NodeState[],
): Promise<readonly Outcome[]> {
  const keys = states.map(({ key }) => key);
  const { rows, nodesCreated, retried } = await transaction.run(upsertText(names), {
    version: VERSION,
    keys,
    versions: states.map(({ version }) => storedNumber(version)),
    properties: states.map(({ properties }) => properties),
  });
  const won = new Set(rows.map((row) => Number(row.get('i'))));
  if (nodesCreated > 0 || retried) {
    const lost = states.filter((_, index) => !won.has(index));
    await removeIdleStubs(
      transaction,
      names,
      lost.map(({ key }) => key),
    );
  }
  return states.map((_, index) => (won.has(index) ? APPLIED : STALE));
}

/** Leaves a tombstone. The node goes, unless a relationship needs it as its end: then it stays as a stub. */
export async function deleteNodes(
  transaction: Transaction,
  names: NodeNames,
  changes: readonly ChangeOf<NodeKind>[],
): Promise<readonly Outcome[]> {
  const keys = changes.map(({ key }) => key);
  await lockNodes(transaction, names, keys);
  const [versions, tombstones] = await Promise.all([
    versionsOf(transaction, names.label, keys),
    tombstonesOf(transaction, names.tombstone, 'id', keys),
  ]);
  const wins = changes.map(({ key, version }) =>
    isNewer(version, Math.max(versions.get(key) ?? 0, tombstones.get(key) ?? 0)),
  );
  const winners = changes.filter((_, index) => wins[index]);
  await bury(transaction, names, winners);
  await removeIdleStubs(transaction, names, keys);
  return wins.map((won) => (won ? APPLIED : STALE));
}

async function versionsOf(
  transaction: Transaction,
  label: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, number | null>> {
  const { rows } = await transaction.run(
    `MATCH (n:${quoted(label)}) WHERE n.id IN $keys AND n.${VERSION} IS NOT NULL
     RETURN n.id AS key, n.${VERSION} AS version`,
    { keys },
  );
  return new Map(rows.map((row) => [row.get('key'), readVersion(row.get('version'))]));
}

/** The property by which a tombstone is found. */
type TombstoneKey = 'id' | 'key';

export async function tombstonesOf(
  transaction: Transaction,
  label: string,
  property: TombstoneKey,
  keys: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await transaction.run(
    `MATCH (t:${quoted(label)}) WHERE t.${property} IN $keys RETURN t.${property} AS key, t.version AS version`,
    { keys },
  );
  return new Map(rows.map((row) => [row.get('key'), readVersion(row.get('version')) ?? 0]));
}

async function bury(
  transaction: Transaction,
  { label, stub, tombstone }: NodeNames,
  changes: readonly ChangeOf<NodeKind>[],
): Promise<void> {
  if (changes.length === 0) return;
  const keys = changes.map(({ key }) => key);
  await transaction.run(
    `UNWIND range(0, size($keys) - 1) AS i
     MERGE (t:${quoted(tombstone)} {id: $keys[i]}) SET t.version = $versions[i]`,
    { keys, versions: changes.map(({ version }) => storedNumber(version)) },
  );
  await transaction.run(
    `UNWIND range(0, size($keys) - 1) AS i
     MATCH (n:${quoted(label)} {id: $keys[i]}) SET n = $properties[i] SET n:${quoted(stub)}`,
    { keys, properties: keys.map((id) => ({ id })) },
  );
}

/** Forgets the deletes of what is there again. */
export async function removeTombstones(
  transaction: Transaction,
  label: string,
  property: TombstoneKey,
  keys: readonly string[],
): Promise<void> {
  if (keys.length === 0) return;
  await transaction.run(`MATCH (t:${quoted(label)}) WHERE t.${property} IN $keys DELETE t`, { keys });
}
