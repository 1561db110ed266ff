import { groupBy } from '../../core/sequence.ts';
import { type NodeKind, tombstonesOf } from './apply-nodes.ts';
import type { Transaction } from './client.ts';
import { type Names, quoted } from './names.ts';
import type { Ends } from './rows.ts';
import { type Properties, readVersion, VERSION } from './values.ts';

/** What the store holds of one key, read under its lock. */
export interface HeldState {
  /** The greater of the entity's and its tombstone's; 0 where neither has one. */
  readonly version: number;
  /** Null where there is no entity. */
  readonly properties: Properties | null;
}

export const NOTHING_HELD: HeldState = { version: 0, properties: null };

export type HeldStates = ReadonlyMap<string, HeldState>;

/** By id. The nodes are locked. */
export async function readHeldNodes(
  transaction: Transaction,
  names: Names,
  kind: NodeKind,
  keys: readonly string[],
): Promise<HeldStates> {
  if (keys.length === 0) return new Map();
  const { label, stub, tombstone } = kind === 'agent' ? names.agent : names.memory;
  const [{ rows }, tombstones] = await Promise.all([
    transaction.run(
      `MATCH (n:${quoted(label)}) WHERE n.id IN $keys AND NOT (n:${quoted(stub)} AND size(keys(n)) = 1)
       RETURN n.id AS key, properties(n) AS properties`,
      { keys },
    ),
    tombstonesOf(transaction, tombstone, 'id', keys),
  ]);
  const held = new Map<string, HeldState>();
  for (const [key, version] of tombstones) held.set(key, { version, properties: null });
  for (const row of rows) add(held, row.get('key'), row.get('properties'));
  return held;
}

/** By tombstone key. The sources are locked. A legacy graph may hold several of one key: they are one, as new as the newest. */
export async function readHeldTies(
  transaction: Transaction,
  names: Names,
  ties: readonly { readonly ends: Ends; readonly key: string }[],
): Promise<HeldStates> {
  if (ties.length === 0) return new Map();
  const held = new Map<string, HeldState>();
  const buried = tombstonesOf(
    transaction,
    names.relationshipTombstone,
    'key',
    ties.map(({ key }) => key),
  );
  const label = quoted(names.agent.label);
  const found = [...groupBy(ties, ({ ends }) => ends.type)].map(async ([type, ofType]) => {
    const { rows } = await transaction.run(
      `UNWIND range(0, size($source) - 1) AS i
       MATCH (s:${label} {id: $source[i]})
       MATCH (t:${label} {id: $target[i]})
       OPTIONAL MATCH (s)-[r:${quoted(type)}]->(t)
       WITH i, r WHERE r IS NOT NULL
       RETURN i, properties(r) AS properties`,
      { source: ofType.map(({ ends }) => ends.source), target: ofType.map(({ ends }) => ends.target) },
    );
    return { ofType, rows };
  });
  for (const [key, version] of await buried) held.set(key, { version, properties: null });
  for (const { ofType, rows } of await Promise.all(found)) {
    for (const row of rows) add(held, ofType[Number(row.get('i'))]?.key ?? '', row.get('properties'));
  }
  return held;
}

function add(held: Map<string, HeldState>, key: string, properties: Properties): void {
  const { version } = held.get(key) ?? NOTHING_HELD;
  held.set(key, { version: Math.max(version, readVersion(properties[VERSION]) ?? 0), properties });
}
