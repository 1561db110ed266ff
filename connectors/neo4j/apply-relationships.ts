import { groupBy } from '../../core/sequence.ts';
import type { ChangeOf, EntityOf } from '../../schemas/change.ts';
import { parseKey } from '../../schemas/keys.ts';
import { isNewer } from '../../schemas/version.ts';
import { APPLIED, type Outcome, STALE } from '../connector.ts';
import { removeTombstones, tombstonesOf } from './apply-nodes.ts';
import type { Transaction } from './client.ts';
import { lockNodes, removeIdleStubs } from './lock-nodes.ts';
import { LOCK_PROPERTY, type Names, quoted } from './names.ts';
import { type Ends, relationshipExtras, tombstoneKey } from './rows.ts';
import { storedNumber, VERSION } from './values.ts';

/**
 * Applies changes of distinct keys in one transaction. The lock of a relationship's source guards its key (there may be
 * no relationship yet that could be locked). The targets are locked too, in the same order: writing a relationship
 * locks both ends anyway, and taken late and out of order those locks are what deadlocks come from. Then the
 * relationship itself is locked, because an application that changes a property locks nothing else; its version is
 * read after that (apply-nodes.ts says how).
 */

export type TieChange = ChangeOf<'relationship'>;

export interface Tie {
  readonly change: TieChange;
  readonly ends: Ends;
  /** Its tombstone's key. */
  readonly key: string;
}

export async function upsertRelationships(
  transaction: Transaction,
  names: Names,
  changes: readonly TieChange[],
): Promise<readonly Outcome[]> {
  const { ties, tombstones, nodesCreated } = await lockEnds(transaction, names, changes);
  const isBuried = (tie: Tie) => !isNewer(tie.change.version, tombstones.get(tie.key));
  const applied = new Set<Tie>();
  for (const [type, ofType] of byType(ties.filter((tie) => !isBuried(tie)))) {
    for (const index of await merge(transaction, names, type, ofType)) {
      const tie = ofType[index];
      if (tie !== undefined) applied.add(tie);
    }
  }
  const risen = [...applied].filter(({ key }) => tombstones.has(key));
  await removeTombstones(
    transaction,
    names.relationshipTombstone,
    'key',
    risen.map(({ key }) => key),
  );
  if (nodesCreated > 0)
    await removeIdleEnds(
      transaction,
      names,
      ties.filter((tie) => !applied.has(tie)),
    );
  return ties.map((tie) => (applied.has(tie) ? APPLIED : STALE));
}

/** Locks both ends of every relationship, then reads the tombstones. */
export async function lockEnds(transaction: Transaction, names: Names, changes: readonly TieChange[]) {
  const ties = changes.map((change): Tie => {
    const ends = change.after ?? parseKey('relationship', change.key);
    return { change, ends, key: tombstoneKey(ends) };
  });
  const ids = new Set(ties.flatMap(({ ends }) => [ends.source, ends.target]));
  // Both are sent at once; the server runs them in this order.
  const [nodesCreated, tombstones] = await Promise.all([
    lockNodes(transaction, names.agent, [...ids].sort()),
    tombstonesOf(
      transaction,
      names.relationshipTombstone,
      'key',
      ties.map(({ key }) => key),
    ),
  ]);
  return { ties, tombstones, nodesCreated };
}

/** One query text per type: a type that is a parameter is planned badly. entityFault has allow-listed the names. */
export function byType(ties: readonly Tie[]): readonly (readonly [string, readonly Tie[]])[] {
  return [...groupBy(ties, ({ ends }) => ends.type)];
}

/**
 * Writes the relationships of one type that are newer than what is there, and answers which. A legacy graph may hold
 * several of one key: they are one to us, as new as the newest of them, and a write leaves one of them.
 */
async function merge(
  transaction: Transaction,
  { agent }: Names,
  type: string,
  ties: readonly Tie[],
): Promise<readonly number[]> {
  const label = quoted(agent.label);
  const { rows } = await transaction.run(
    `UNWIND range(0, size($versions) - 1) AS i
     MATCH (s:${label} {id: $source[i]})
     MATCH (t:${label} {id: $target[i]})
     MERGE (s)-[r:${quoted(type)}]->(t)
     REMOVE r.${LOCK_PROPERTY}
     WITH i, collect(r) AS all, max(r[$version]) AS held
     WHERE coalesce(held < $versions[i], true)
     WITH i, all[0] AS r, all[1..] AS others
     SET r = $extras[i],
       r.${VERSION} = toInteger($versions[i]), r.strength = $strengths[i], r.migrated = true,
       r.since = CASE WHEN $since[i] IS NULL THEN null ELSE datetime({epochMillis: $since[i]}) END
     FOREACH (other IN others | DELETE other)
     RETURN collect(i) AS won`,
    {
      ...endsOf(ties),
      version: VERSION,
      // Sent as floats, which hold them exactly (they are safe integers) and cost the driver less than integers.
      versions: ties.map(({ change }) => change.version),
      strengths: ties.map((tie) => storedNumber(stateOf(tie).strength)),
      extras: ties.map((tie) => relationshipExtras(stateOf(tie))),
      since: ties.map((tie) => storedTime(stateOf(tie).since)),
    },
  );
  const won: readonly unknown[] = rows[0]?.get('won') ?? [];
  return won.map(Number);
}

export async function removeIdleEnds(
  transaction: Transaction,
  names: Names,
  ties: readonly Tie[],
): Promise<void> {
  const ids = new Set(ties.flatMap(({ ends }) => [ends.source, ends.target]));
  await removeIdleStubs(transaction, names.agent, [...ids]);
}

function stateOf({ change }: Tie): EntityOf['relationship'] {
  if (change.after === null) throw new Error('A delete has no state.');
  return change.after;
}

const storedTime = (since: number | null) => (since === null ? null : storedNumber(since));

export const endsOf = (ties: readonly Tie[]) => ({
  source: ties.map(({ ends }) => ends.source),
  target: ties.map(({ ends }) => ends.target),
});
