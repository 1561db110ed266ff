import { isNewer } from '../../schemas/version.ts';
import { APPLIED, type Outcome, STALE } from '../connector.ts';
import { byType, endsOf, lockEnds, removeIdleEnds, type Tie, type TieChange } from './apply-relationships.ts';
import type { Transaction } from './client.ts';
import { LOCK_PROPERTY, type Names, quoted } from './names.ts';
import { readVersion, storedNumber, VERSION } from './values.ts';

/** Leaves a tombstone for each; ends that were only there as ends go with the last relationship. */
export async function deleteRelationships(
  transaction: Transaction,
  names: Names,
  changes: readonly TieChange[],
): Promise<readonly Outcome[]> {
  const { ties, tombstones } = await lockEnds(transaction, names, changes);
  const held = await heldOf(transaction, names, ties);
  const winners = ties.filter((tie) =>
    isNewer(tie.change.version, Math.max(tombstones.get(tie.key) ?? 0, held.get(tie)?.version ?? 0)),
  );
  await bury(transaction, names, winners);
  await removeRelationships(
    transaction,
    winners.flatMap((tie) => held.get(tie)?.ats ?? []),
  );
  await removeIdleEnds(transaction, names, ties);
  const won = new Set(winners);
  return ties.map((tie) => (won.has(tie) ? APPLIED : STALE));
}

interface HeldTie {
  readonly ats: readonly string[];
  readonly version: number;
}

async function heldOf(
  transaction: Transaction,
  { agent }: Names,
  ties: readonly Tie[],
): Promise<ReadonlyMap<Tie, HeldTie>> {
  const held = new Map<Tie, HeldTie>();
  const label = quoted(agent.label);
  for (const [type, ofType] of byType(ties)) {
    // OPTIONAL, because both ends are bound before it: so the planner looks for the one between them (Expand(Into),
    // from the end with fewer). With MATCH it may walk all relationships of a hub for each of its rows.
    const { rows } = await transaction.run(
      `UNWIND range(0, size($source) - 1) AS i
       MATCH (s:${label} {id: $source[i]})
       MATCH (t:${label} {id: $target[i]})
       OPTIONAL MATCH (s)-[r:${quoted(type)}]->(t)
       REMOVE r.${LOCK_PROPERTY}
       RETURN i, elementId(r) AS at, r[$version] AS version`,
      { ...endsOf(ofType), version: VERSION },
    );
    for (const row of rows) {
      const [tie, at]: [Tie | undefined, string | null] = [ofType[Number(row.get('i'))], row.get('at')];
      if (tie === undefined || at === null) continue;
      const { ats = [], version = 0 } = held.get(tie) ?? {};
      held.set(tie, { ats: [...ats, at], version: Math.max(version, readVersion(row.get('version')) ?? 0) });
    }
  }
  return held;
}

async function bury(transaction: Transaction, names: Names, ties: readonly Tie[]): Promise<void> {
  if (ties.length === 0) return;
  await transaction.run(
    `UNWIND range(0, size($keys) - 1) AS i
     MERGE (t:${quoted(names.relationshipTombstone)} {key: $keys[i]})
     SET t.version = $versions[i], t.source = $source[i], t.type = $type[i], t.target = $target[i]`,
    {
      ...endsOf(ties),
      type: ties.map(({ ends }) => ends.type),
      keys: ties.map(({ key }) => key),
      versions: ties.map(({ change }) => storedNumber(change.version)),
    },
  );
}

async function removeRelationships(transaction: Transaction, ats: readonly string[]): Promise<void> {
  if (ats.length === 0) return;
  await transaction.run('MATCH ()-[r]->() WHERE elementId(r) IN $ats DELETE r', { ats });
}
