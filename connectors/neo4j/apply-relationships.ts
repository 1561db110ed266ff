import { int } from 'neo4j-driver';
import { groupBy } from '../../core/sequence.ts';
import type { ChangeOf, EntityOf } from '../../schemas/change.ts';
import { parseKey } from '../../schemas/keys.ts';
import { APPLIED, type Outcome, STALE } from '../connector.ts';
import { countBuried, tombstonesOf } from './apply-nodes.ts';
import type { Transaction } from './client.ts';
import { lockNodes, lockText, removeIdleStubs } from './lock-nodes.ts';
import { LOCK_PROPERTY, type Names, quoted } from './names.ts';
import { type Ends, relationshipExtras, tombstoneKey } from './rows.ts';
import { type Properties, storedNumber, VERSION } from './values.ts';

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

/**
 * One statement for each type; the first locks the ends of all. Where all are of one type it works with a transaction for
 * each statement, too: all that wins is one, and a stub that a crash leaves is no entity.
 */
export async function upsertRelationships(
  transaction: Transaction,
  names: Names,
  changes: readonly TieChange[],
): Promise<readonly Outcome[]> {
  const ties = changes.map(tieOf);
  const merges = byType(ties).map(([type, ofType], index) =>
    merge(transaction, names, { type, ties: ofType, locks: index === 0 ? ties : ofType }),
  );
  // All are sent at once; the server runs them in this order.
  const answers = await Promise.all(merges);
  const applied = new Set(answers.flatMap(({ won }) => won));
  if (applied.size < ties.length && answers.some(({ mayHaveMade }) => mayHaveMade)) {
    const lost = ties.filter((tie) => !applied.has(tie));
    await removeIdleEnds(transaction, names, lost);
  }
  return ties.map((tie) => (applied.has(tie) ? APPLIED : STALE));
}

function tieOf(change: TieChange): Tie {
  const ends = change.after ?? parseKey('relationship', change.key);
  return { change, ends, key: tombstoneKey(ends) };
}

const idsOf = (ties: readonly Tie[]): readonly string[] =>
  [...new Set(ties.flatMap(({ ends }) => [ends.source, ends.target]))].sort();

/** Locks both ends of every relationship, then reads the tombstones. */
export async function lockEnds(transaction: Transaction, names: Names, changes: readonly TieChange[]) {
  const ties = changes.map(tieOf);
  // Both are sent at once; the server runs them in this order.
  const [, tombstones] = await Promise.all([
    lockNodes(transaction, names.agent, idsOf(ties)),
    tombstonesOf(
      transaction,
      names.relationshipTombstone,
      'key',
      ties.map(({ key }) => key),
    ),
  ]);
  return { ties, tombstones };
}

export function isOfOneType(changes: readonly TieChange[]): boolean {
  const type = changes[0]?.after?.type;
  return changes.every(({ after }) => after?.type === type);
}

/** One query text per type: a type that is a parameter is planned badly. entityFault has allow-listed the names. */
export function byType(ties: readonly Tie[]): readonly (readonly [string, readonly Tie[]])[] {
  return [...groupBy(ties, ({ ends }) => ends.type)];
}

interface Merge {
  readonly type: string;
  readonly ties: readonly Tie[];
  /** Those whose ends are locked first: these, and maybe others. */
  readonly locks: readonly Tie[];
}

/**
 * Locks the ends, then writes the relationships of one type that are newer than what is there, and answers which. A
 * legacy graph may hold several of one key: they are one to us, as new as the newest of them, and a write leaves one of
 * them. The locked ends are handed on by their place in the list, so that they are looked up once; where one id
 * were several nodes, places would be wrong, so there are none then, and the statement fails. Tombstones are looked for
 * where there are any, as for nodes (apply-nodes.ts).
 */
function mergeText({ agent, relationshipTombstone }: Names, type: string, set: string): string {
  return `${lockText(agent)}
    WITH collect(n) AS locked
    WITH CASE WHEN size(locked) = size($keys) THEN locked ELSE [] END AS nodes
    ${countBuried(relationshipTombstone)}
    UNWIND range(0, size($versions) - 1) AS i
    WITH i, nodes[$source[i]] AS s, nodes[$target[i]] AS t, buried
    OPTIONAL MATCH (g:${quoted(relationshipTombstone)} {key: CASE WHEN buried > 0 THEN $graves[i] END})
    WITH i, s, t, g
    WHERE coalesce(g.version < $versions[i], true)
    MERGE (s)-[r:${quoted(type)}]->(t)
    REMOVE r.${LOCK_PROPERTY}
    WITH i, g, collect(r) AS all, max(r[$version]) AS held
    WHERE coalesce(held < $versions[i], true)
    WITH i, g, all[0] AS r, all[1..] AS others
    ${set}
    FOREACH (other IN others | DELETE other)
    DELETE g
    RETURN collect(i) AS won`;
}

const SINCE = 'CASE WHEN $since[i] IS NULL THEN null ELSE datetime({epochMillis: $since[i]}) END';

/** The usual state, which the server makes by itself faster than it takes it from a map of ours. */
const SET_BARE = `SET r = {${VERSION}: toInteger($versions[i]), strength: $strengths[i], migrated: true, since: ${SINCE}}`;
const SET_WITH_PROPERTIES = `SET r = $states[i], r.since = ${SINCE}`;

/** What stands in the text, and the parameters that only it needs. */
function stateParameters(ties: readonly Tie[]): readonly [set: string, parameters: Properties] {
  const strengths = ties.map((tie) => storedNumber(stateOf(tie).strength));
  const extras = ties.map((tie) => relationshipExtras(stateOf(tie)));
  if (extras.every((properties) => Object.keys(properties).length === 0)) return [SET_BARE, { strengths }];
  const states = ties.map(({ change }, index) => ({
    ...extras[index],
    [VERSION]: storedNumber(change.version),
    strength: strengths[index],
    migrated: true,
  }));
  return [SET_WITH_PROPERTIES, { states }];
}

async function merge(transaction: Transaction, names: Names, { type, ties, locks }: Merge) {
  const keys = idsOf(locks);
  const places = new Map(keys.map((key, index) => [key, int(index)]));
  const [set, parameters] = stateParameters(ties);
  const { rows, nodesCreated, retried } = await transaction.run(mergeText(names, type, set), {
    ...parameters,
    keys,
    source: ties.map(({ ends }) => places.get(ends.source)),
    target: ties.map(({ ends }) => places.get(ends.target)),
    graves: ties.map(({ key }) => key),
    version: VERSION,
    // Sent as floats, which hold them exactly (they are safe integers) and cost the driver less than integers.
    versions: ties.map(({ change }) => change.version),
    since: ties.map((tie) => storedTime(stateOf(tie).since)),
  });
  const indices: readonly unknown[] = rows[0]?.get('won') ?? [];
  const won = indices.flatMap((index) => ties[Number(index)] ?? []);
  return { won, mayHaveMade: nodesCreated > 0 || retried };
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
