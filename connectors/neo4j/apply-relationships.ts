import { groupBy } from '../../core/sequence.ts';
import type { ChangeOf } from '../../schemas/change.ts';
import { parseKey } from '../../schemas/keys.ts';
import { isNewer } from '../../schemas/version.ts';
import { APPLIED, type Outcome, STALE } from '../connector.ts';
import { removeIdleStubs, removeNodes } from './apply-nodes.ts';
import type { Transaction } from './client.ts';
import { lockNodes } from './lock-nodes.ts';
import { type Names, quoted } from './names.ts';
import { type Ends, relationshipProperties } from './rows.ts';
import { readVersion, storedNumber } from './values.ts';

type TieChange = ChangeOf<'relationship'>;

/** A change with the element ids of its ends. */
interface Placed {
  readonly change: TieChange;
  readonly ends: Ends;
  readonly from: string;
  readonly to: string;
}

/** What the graph holds of one key. A legacy graph may hold several relationships of one key: they are one to us. */
interface HeldTie {
  readonly ats: readonly string[];
  readonly version: number;
}

interface Guarded extends Placed {
  readonly held: HeldTie;
  readonly tombstone: HeldTie;
  readonly wins: boolean;
}

const NOTHING: HeldTie = { ats: [], version: 0 };

/**
 * Applies changes of distinct keys, sorted by key, in one transaction. The lock of a relationship's source guards its
 * key (there may be no relationship yet that could be locked). The targets are locked too, in the same order: writing
 * a relationship locks both ends anyway, and taken late and out of order those locks are what deadlocks come from.
 */
export async function applyRelationships(
  transaction: Transaction,
  names: Names,
  changes: readonly TieChange[],
): Promise<readonly Outcome[]> {
  const identities = changes.map((change) => parseKey('relationship', change.key));
  const ids = new Set(identities.flatMap(({ source, target }) => [source, target]));
  const { places, created } = await lockNodes(transaction, names.agent, [...ids].sort());
  const placed = changes.map((change, index): Placed => {
    const ends = identities[index] ?? parseKey('relationship', change.key);
    return { change, ends, from: places.get(ends.source) ?? '', to: places.get(ends.target) ?? '' };
  });
  const [held, tombstones] = await Promise.all([
    readHeld(transaction, placed),
    readTombstones(transaction, names, placed),
  ]);
  const guarded = placed.map((tie): Guarded => {
    const [own, tombstone] = [held.get(tie) ?? NOTHING, tombstones.get(tie) ?? NOTHING];
    const wins = isNewer(tie.change.version, Math.max(own.version, tombstone.version));
    return { ...tie, held: own, tombstone, wins };
  });
  const winners = guarded.filter(({ wins }) => wins);
  await write(
    transaction,
    winners.filter(({ change }) => change.after !== null),
  );
  const buried = winners.filter(({ change }) => change.after === null);
  await bury(transaction, names, buried);
  const losers = created === 0 ? [] : guarded.filter(({ wins }) => !wins);
  const idle = new Set([...buried, ...losers].flatMap(({ from, to }) => [from, to]));
  await removeIdleStubs(transaction, names.agent, [...idle]);
  return guarded.map(({ wins }) => (wins ? APPLIED : STALE));
}

/** One query text per type: a type that is a parameter is planned badly. entityFault has allow-listed the names. */
function byType<T extends Placed>(ties: readonly T[]): readonly (readonly [string, readonly T[]])[] {
  return [...groupBy(ties, ({ ends }) => ends.type)];
}

async function readHeld(
  transaction: Transaction,
  placed: readonly Placed[],
): Promise<ReadonlyMap<Placed, HeldTie>> {
  const held = new Map<Placed, HeldTie>();
  const read = byType(placed).map(async ([type, ties]) => {
    // OPTIONAL, because both ends are bound before it: so the planner looks for the one between them (Expand(Into),
    // from the end with fewer). With MATCH it may walk all relationships of a hub for each of its rows.
    const { rows } = await transaction.run(
      `UNWIND range(0, size($from) - 1) AS i
       MATCH (s) WHERE elementId(s) = $from[i]
       MATCH (t) WHERE elementId(t) = $to[i]
       OPTIONAL MATCH (s)-[r:${quoted(type)}]->(t)
       RETURN i, elementId(r) AS at, r._version AS version`,
      endsOf(ties),
    );
    for (const row of rows) addHeld(held, ties, row.get('i'), row.get('at'), row.get('version'));
  });
  await Promise.all(read);
  return held;
}

async function readTombstones(
  transaction: Transaction,
  names: Names,
  placed: readonly Placed[],
): Promise<ReadonlyMap<Placed, HeldTie>> {
  const { rows } = await transaction.run(
    `UNWIND range(0, size($source) - 1) AS i
     MATCH (t:${quoted(names.relationshipTombstone)} {source: $source[i], type: $type[i], target: $target[i]})
     RETURN i, elementId(t) AS at, t.version AS version`,
    identitiesOf(placed),
  );
  const tombstones = new Map<Placed, HeldTie>();
  for (const row of rows) addHeld(tombstones, placed, row.get('i'), row.get('at'), row.get('version'));
  return tombstones;
}

function addHeld(
  into: Map<Placed, HeldTie>,
  placed: readonly Placed[],
  index: unknown,
  at: string | null,
  version: unknown,
): void {
  const tie = placed[Number(index)];
  if (at === null || tie === undefined) return;
  const known = into.get(tie) ?? NOTHING;
  into.set(tie, {
    ats: [...known.ats, at],
    version: Math.max(known.version, readVersion(version) ?? 0),
  });
}

async function write(transaction: Transaction, guarded: readonly Guarded[]): Promise<void> {
  const [there, absent] = [
    guarded.filter(({ held }) => held.ats.length > 0),
    guarded.filter(({ held }) => held.ats.length === 0),
  ];
  for (const [type, ties] of byType(absent)) {
    await transaction.run(
      `UNWIND range(0, size($from) - 1) AS i
       MATCH (s) WHERE elementId(s) = $from[i]
       MATCH (t) WHERE elementId(t) = $to[i]
       CREATE (s)-[r:${quoted(type)}]->(t) SET r = $properties[i]`,
      { ...endsOf(ties), properties: ties.map(propertiesOf) },
    );
  }
  const filling = there.map((tie) => [tie.held.ats[0] ?? '', propertiesOf(tie)] as const);
  if (filling.length > 0) {
    await transaction.run('MATCH ()-[r]->() WHERE elementId(r) IN $ats SET r = $properties[elementId(r)]', {
      ats: filling.map(([at]) => at),
      properties: Object.fromEntries(filling),
    });
  }
  await removeRelationships(
    transaction,
    there.flatMap(({ held }) => held.ats.slice(1)),
  );
  await removeNodes(
    transaction,
    guarded.flatMap(({ tombstone }) => tombstone.ats),
  );
}

async function bury(transaction: Transaction, names: Names, guarded: readonly Guarded[]): Promise<void> {
  if (guarded.length === 0) return;
  await transaction.run(
    `UNWIND range(0, size($source) - 1) AS i
     MERGE (t:${quoted(names.relationshipTombstone)} {source: $source[i], type: $type[i], target: $target[i]})
     SET t.version = $versions[i]`,
    { ...identitiesOf(guarded), versions: guarded.map(({ change }) => storedNumber(change.version)) },
  );
  await removeRelationships(
    transaction,
    guarded.flatMap(({ held }) => held.ats),
  );
}

async function removeRelationships(transaction: Transaction, ats: readonly string[]): Promise<void> {
  if (ats.length === 0) return;
  await transaction.run('MATCH ()-[r]->() WHERE elementId(r) IN $ats DELETE r', { ats });
}

function propertiesOf({ change }: Placed) {
  if (change.after === null) throw new Error('A delete has no properties.');
  return relationshipProperties(change.after, change.version);
}

const endsOf = (ties: readonly Placed[]) => ({
  from: ties.map(({ from }) => from),
  to: ties.map(({ to }) => to),
});

const identitiesOf = (ties: readonly Placed[]) => ({
  source: ties.map(({ ends }) => ends.source),
  type: ties.map(({ ends }) => ends.type),
  target: ties.map(({ ends }) => ends.target),
});
