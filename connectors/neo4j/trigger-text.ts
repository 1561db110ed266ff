import { MAX_KEY_PART_BYTES } from '../../schemas/entity-fault.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { quoted } from './names.ts';
import { BOOK, type OutboxNames, RANKS, rankOf } from './outbox-names.ts';

/** Pieces of the trigger's statement (trigger-statement.ts) that several parts of it need. */

/**
 * Whether something can be (a part of) a key. What cannot is no entity: it is not captured, and backfill reports it. Longer
 * texts are refused as keys anyway, and would not fit into an index entry.
 */
export const isKeyText = (id: string): string =>
  `${id} IS :: STRING NOT NULL AND ${id} <> '' AND size(${id}) <= ${MAX_KEY_PART_BYTES}`;

/** One more than the greatest of some versions, but no less than some others. What is no version counts as none. */
export function nextVersionText(held: string, floors: string): string {
  return `reduce(v = 0, w IN [w IN ${held} | coalesce(toIntegerOrNull(w) + 1, 0)] + ${floors} |
    CASE WHEN w > v AND w < 9007199254740991 THEN w ELSE v END)`;
}

/** At most so many bytes has the change of this state: cheaply, or exactly where the cheap guess is too large. */
export function bytesText(state: string): string {
  const sum = (text: (expression: string) => string) =>
    `reduce(b = 512, k IN keys(${state}) | b + 24 + ${text('k')} + CASE
      WHEN ${state}[k] IS :: STRING NOT NULL THEN ${text(`${state}[k]`)}
      WHEN ${state}[k] IS :: LIST<ANY> NOT NULL THEN 4 * size(${state}[k]) ELSE 0 END)`;
  const cheap = sum((expression) => `3 * size(${expression})`);
  const exact = sum((expression) => `apoc.text.byteCount(${expression})`);
  return `CASE WHEN ${cheap} <= set.maxBytes THEN 0 ELSE ${exact} END`;
}

/** Fails the transaction; it reads as a condition that is true where it does not. */
export function refuseText(condition: string, message: string, values: readonly string[]): string {
  return `apoc.util.validatePredicate(${condition}, '${REFUSAL} ${message}', [${values.join(', ')}])`;
}

/** By this an application finds our refusals among its errors. */
export const REFUSAL = 'Changeover refuses this write:';

export const refuseSizeText = (what: string, key: string): string =>
  refuseText('bytes > set.maxBytes', `the change of ${what} %s has up to %d bytes, the log takes %d`, [
    key,
    'bytes',
    'set.maxBytes',
  ]);

export const refuseFullText = (): string =>
  refuseText('NOT room AND set.refuse', 'its outbox is full, %d captured writes wait for the log', [
    'waiting',
  ]);

interface EntryText {
  readonly kind: Kind;
  /** Expressions. */
  readonly key: string;
  readonly op: string;
  readonly isDelete: string;
  readonly state: string;
  readonly ends?: Readonly<Record<'source' | 'type' | 'target', string>>;
}

/** Writes the outbox node, or notes that the write was not captured. `room`, `us` and `version` are in scope. */
export function entryText({ outbox, lost }: OutboxNames, entry: EntryText): string {
  const { kind, key, op, isDelete, state, ends } = entry;
  const rank = `CASE WHEN ${isDelete} THEN ${rankOf(kind, true)} ELSE ${rankOf(kind, false)} END`;
  const book: Readonly<Record<string, string>> = {
    [BOOK.id]: 'randomUUID()',
    [BOOK.kind]: `'${kind}'`,
    [BOOK.key]: key,
    [BOOK.op]: op,
    [BOOK.version]: 'version',
    [BOOK.rank]: rank,
    [BOOK.order]: `version * ${RANKS} + ${rank}`,
    [BOOK.at]: 'us',
    [BOOK.path]: "'shim'",
    [BOOK.writer]: "'trigger'",
    // Not what an application may have called so.
    [BOOK.event]: 'null',
    ...(ends && { [BOOK.source]: ends.source, [BOOK.type]: ends.type, [BOOK.target]: ends.target }),
  };
  const map = Object.entries(book).map(([property, value]) => `${property}: ${value}`);
  return `FOREACH (_ IN CASE WHEN room THEN [1] ELSE [] END |
      CREATE (o:${quoted(outbox)}) SET o = ${state} SET o += {${map.join(', ')}})
    FOREACH (_ IN CASE WHEN room THEN [] ELSE [1] END |
      MERGE (l:${quoted(lost)} {label: '${lost}'}) ON CREATE SET l.since = us SET l.last = us)`;
}

/**
 * Binds `name` to what nodes or relationships were before: a map from the id (as text) to the old values of what the transaction
 * removed or overwrote. Of what was deleted that is all of it.
 */
export function oldValuesText(name: string, what: 'node' | 'relationship'): string {
  const [removed, assigned] =
    what === 'node'
      ? ['tx.removedNodeProperties', 'tx.assignedNodeProperties']
      : ['tx.removedRelationshipProperties', 'tx.assignedRelationshipProperties'];
  return `CALL (tx) {
    CALL (tx) {
      UNWIND keys(${removed}) AS k UNWIND ${removed}[k] AS e RETURN id(e.${what}) AS i, k, e.old AS old
      UNION ALL
      UNWIND keys(${assigned}) AS k UNWIND [e IN ${assigned}[k] WHERE e.old IS NOT NULL] AS e
      RETURN id(e.${what}) AS i, k, e.old AS old
    }
    WITH i, collect([k, old]) AS pairs
    RETURN apoc.map.fromPairs(collect([toString(i), apoc.map.fromPairs(pairs)])) AS ${name}
  }`;
}

/**
 * A map with the ids of some nodes or relationships. The server walks a list for each question whether something is in it; with
 * some thousands of both that takes longer than everything else.
 */
export const idsText = (list: string, each = 'x'): string =>
  `apoc.map.fromPairs([x IN ${list} | [toString(id(${each})), true]])`;

/**
 * How many entries wait. Asked in a statement of its own: the number goes up and down all the time, and whatever has it among
 * what it was planned by is planned anew, every ten seconds, in an application's transaction.
 */
export const waitingText = ({ outbox }: OutboxNames): string =>
  `apoc.cypher.runFirstColumnSingle('MATCH (o:${quoted(outbox)}) RETURN count(o)', {})`;

/** In microseconds since 1970. */
export const nowText = (time: string): string => `${time}.epochSeconds * 1000000 + ${time}.microsecond`;
