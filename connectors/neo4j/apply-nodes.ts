import { ChangeoverError } from '../../core/errors.ts';
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

/** A node that should be there, with these properties (`id` and `_version` among them) and no others. */
export interface NodeState {
  readonly key: string;
  readonly version: number;
  readonly properties: Properties;
}

/**
 * One statement, at the speed of an unguarded one; it also forgets the deletes of what is there again. What makes it a
 * guard: `collect` takes all locks before anything is read, and the version's name is a parameter, so the planner must take it for any name, also for the one that REMOVE
 * touches, and so may not fetch it before REMOVE has taken the lock. (Written as `n._version` it is fetched together
 * with the node, before the lock: the plan shows `CacheProperties`, and two transactions that meet can both win.)
 *
 * Three things spare it work in the usual case. Where nothing is buried (the store keeps the count, and it is asked under
 * the locks) no tombstone is looked for: a search for null ends at once. What is made has version 0, which nobody
 * outside ever sees: it costs less than the label of a stub, which only what loses then needs. What lost is returned,
 * not what won.
 */
function upsertText({ label, stub, tombstone }: NodeNames): string {
  return `UNWIND $rows AS row
    MERGE (n:${quoted(label)} {id: row.id}) ON CREATE SET n.${VERSION} = 0
    REMOVE n.${LOCK_PROPERTY}
    WITH collect(n) AS nodes
    ${countBuried(tombstone)}
    UNWIND range(0, size(nodes) - 1) AS i
    WITH nodes[i] AS n, $rows[i] AS row, buried
    OPTIONAL MATCH (t:${quoted(tombstone)} {id: CASE WHEN buried > 0 THEN row.id END})
    WITH n, row, t,
      coalesce(n[$version] < row.${VERSION}, true) AND coalesce(t.version < row.${VERSION}, true) AS wins
    FOREACH (_ IN CASE WHEN wins THEN [1] END | SET n = row REMOVE n:${quoted(stub)} DELETE t)
    FOREACH (_ IN CASE WHEN NOT wins AND n[$version] = 0 THEN [1] END |
      REMOVE n.${VERSION} SET n:${quoted(stub)})
    RETURN count(*) AS seen, collect(CASE WHEN NOT wins THEN row.id END) AS lost`;
}

/** Needs `nodes`, so that it comes after their locks: what was buried before we had them is counted. */
export function countBuried(tombstone: string): string {
  return `CALL (nodes) { MATCH (g:${quoted(tombstone)}) RETURN count(g) AS buried }`;
}

/** Works with a transaction for each statement, too: all that wins is one, and a stub that a crash leaves is no entity. */
export async function upsertNodes(
  transaction: Transaction,
  names: NodeNames,
  states: readonly NodeState[],
): Promise<readonly Outcome[]> {
  if (states.length === 0) return [];
  const { rows, nodesCreated, retried } = await transaction.run(upsertText(names), {
    version: VERSION,
    rows: states.map(({ properties }) => properties),
  });
  // The n-th node is that of the n-th row only where one id is one node.
  if (Number(rows[0]?.get('seen') ?? 0) !== states.length) throw notUnique(names.label);
  const lost = new Set<unknown>(rows[0]?.get('lost'));
  if (lost.size > 0 && (nodesCreated > 0 || retried)) {
    const keys = states.map(({ key }) => key).filter((key) => lost.has(key));
    await removeIdleStubs(transaction, names, keys);
  }
  return states.map(({ key }) => (lost.has(key) ? STALE : APPLIED));
}

function notUnique(label: string): ChangeoverError {
  return new ChangeoverError('mismatch', `several nodes :${label} have one id`, {
    hint: 'Merge or remove the nodes that have one id, then let the store be prepared again.',
  });
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
