import type { ChangeOf } from '../../schemas/change.ts';
import { isNewer } from '../../schemas/version.ts';
import { APPLIED, type Outcome, STALE } from '../connector.ts';
import type { Transaction } from './client.ts';
import { lockNodes } from './lock-nodes.ts';
import { type NodeNames, quoted } from './names.ts';
import { type Properties, readVersion, storedNumber } from './values.ts';

export type NodeKind = 'agent' | 'embedding';

export interface NodeWriter<K extends NodeKind> {
  readonly names: NodeNames;
  readonly properties: (change: ChangeOf<K> & { readonly after: object }) => Properties;
}

/** A change with what the store holds of its key. `at` is the element id, good within this transaction. */
interface Guarded<K extends NodeKind> {
  readonly change: ChangeOf<K>;
  readonly at: string;
  readonly tombstone: string | undefined;
  readonly wins: boolean;
}

/**
 * Applies changes of distinct keys, sorted by key, to the nodes of one label, in one transaction:
 *
 * 1. lock every node (a missing one is made, as a stub, so that there is something to lock);
 * 2. read what is held, in statements of their own: within one statement the planner may fetch a property before the
 *    lock is taken;
 * 3. write what wins;
 * 4. remove the stubs that nobody needs.
 */
export async function applyNodes<K extends NodeKind>(
  transaction: Transaction,
  writer: NodeWriter<K>,
  changes: readonly ChangeOf<K>[],
): Promise<readonly Outcome[]> {
  const { names } = writer;
  const keys = changes.map((change) => change.key);
  const locked = await lockNodes(transaction, names, keys);
  const [versions, tombstones] = await Promise.all([
    readVersions(transaction, [...locked.places.values()]),
    readTombstones(transaction, names, keys),
  ]);
  const guarded = changes.map((change): Guarded<K> => {
    const at = locked.places.get(change.key) ?? '';
    const tombstone = tombstones.get(change.key);
    const held = Math.max(versions.get(at) ?? 0, tombstone?.version ?? 0);
    return { change, at, tombstone: tombstone?.at, wins: isNewer(change.version, held) };
  });
  const winners = guarded.filter(({ wins }) => wins);
  await fill(
    transaction,
    writer,
    winners.filter(({ change }) => change.after !== null),
  );
  await bury(
    transaction,
    names,
    winners.filter(({ change }) => change.after === null),
  );
  const losers = guarded.filter(({ wins }) => !wins);
  if (locked.created > 0) {
    await removeIdleStubs(
      transaction,
      names,
      losers.map(({ at }) => at),
    );
  }
  return guarded.map(({ wins }) => (wins ? APPLIED : STALE));
}

async function readVersions(
  transaction: Transaction,
  ats: readonly string[],
): Promise<ReadonlyMap<string, number | null>> {
  const { rows } = await transaction.run(
    `MATCH (n) WHERE elementId(n) IN $ats AND n._version IS NOT NULL
     RETURN elementId(n) AS at, n._version AS version`,
    { ats },
  );
  return new Map(rows.map((row) => [row.get('at'), readVersion(row.get('version'))]));
}

interface Tombstone {
  readonly at: string;
  readonly version: number;
}

async function readTombstones(
  transaction: Transaction,
  { tombstone }: NodeNames,
  keys: readonly string[],
): Promise<ReadonlyMap<string, Tombstone>> {
  const { rows } = await transaction.run(
    `MATCH (t:${quoted(tombstone)}) WHERE t.id IN $keys
     RETURN t.id AS id, elementId(t) AS at, t.version AS version`,
    { keys },
  );
  return new Map(
    rows.map((row) => [row.get('id'), { at: row.get('at'), version: readVersion(row.get('version')) ?? 0 }]),
  );
}

/** Replaces the properties as a whole, so that removed attributes disappear. */
async function fill<K extends NodeKind>(
  transaction: Transaction,
  { names, properties }: NodeWriter<K>,
  guarded: readonly Guarded<K>[],
): Promise<void> {
  if (guarded.length === 0) return;
  const ats = guarded.map(({ at }) => at);
  const filling = guarded.map(({ at, change }) => [
    at,
    properties(change as ChangeOf<K> & { readonly after: object }),
  ]);
  // By a map of element ids: reading `row.at` of an unwound list looks to the planner like reading a node's property,
  // and makes it put an Eager operator (everything in memory) between reading and writing.
  await transaction.run(
    `MATCH (n) WHERE elementId(n) IN $ats
     SET n = $properties[elementId(n)] REMOVE n:${quoted(names.stub)}`,
    { ats, properties: Object.fromEntries(filling) },
  );
  await removeNodes(
    transaction,
    guarded.flatMap(({ tombstone }) => tombstone ?? []),
  );
}

/** Leaves a tombstone. The node goes, unless a relationship needs it as its end: then it stays as a stub. */
async function bury<K extends NodeKind>(
  transaction: Transaction,
  names: NodeNames,
  guarded: readonly Guarded<K>[],
): Promise<void> {
  if (guarded.length === 0) return;
  const keys = guarded.map(({ change }) => change.key);
  const ats = guarded.map(({ at }) => at);
  await transaction.run(
    `UNWIND range(0, size($keys) - 1) AS i
     MERGE (t:${quoted(names.tombstone)} {id: $keys[i]}) SET t.version = $versions[i]`,
    { keys, versions: guarded.map(({ change }) => storedNumber(change.version)) },
  );
  await transaction.run('MATCH (n) WHERE elementId(n) IN $ats AND NOT EXISTS { (n)--() } DELETE n', { ats });
  await transaction.run(
    `MATCH (n) WHERE elementId(n) IN $ats SET n = $properties[elementId(n)] SET n:${quoted(names.stub)}`,
    { ats, properties: Object.fromEntries(guarded.map(({ at, change }) => [at, { id: change.key }])) },
  );
}

export async function removeNodes(transaction: Transaction, ats: readonly string[]): Promise<void> {
  if (ats.length === 0) return;
  await transaction.run('MATCH (n) WHERE elementId(n) IN $ats DELETE n', { ats });
}

/**
 * Removes the stubs among the nodes that no relationship needs. A stub on which an application has written meanwhile
 * is no stub any more.
 */
export async function removeIdleStubs(
  transaction: Transaction,
  { stub }: NodeNames,
  ats: readonly string[],
): Promise<void> {
  if (ats.length === 0) return;
  await transaction.run(
    `MATCH (n) WHERE elementId(n) IN $ats AND n:${quoted(stub)} AND size(keys(n)) = 1 AND NOT EXISTS { (n)--() }
     DELETE n`,
    { ats },
  );
}
