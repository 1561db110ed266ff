import type { Neo4jClient, Row } from './client.ts';
import { quoted } from './names.ts';
import type { OutboxRow } from './outbox-entry.ts';
import { BOOK } from './outbox-names.ts';
import { readScalar, storedNumber } from './values.ts';

/**
 * The oldest entries of an outbox but for some, in the order of their versions.
 *
 * Every reading starts at the oldest, because an entry may be committed after others with greater versions. And the server
 * is read-committed: while an index is walked, an entry that comes to stand behind the walk is missed, and the next
 * one of the same key, committed later, may be met. So the same way is walked again (collect is eager), for what was
 * not met: an older entry of a key was committed, and every lock of its transaction given back, before the newer
 * could begin, so the second walk meets it. What else it meets comes with a later reading.
 */
export async function readOutbox(
  client: Neo4jClient,
  label: string,
  { limit, except }: { readonly limit: number; readonly except: readonly string[] },
): Promise<readonly OutboxRow[]> {
  const name = quoted(label);
  const rows = await client.runAlone(
    `CALL () {
       MATCH (o:${name}) WHERE o.${BOOK.order} > 0 AND NOT o.${BOOK.id} IN $except
       WITH o ORDER BY o.${BOOK.order} LIMIT $limit RETURN collect(o) AS met
     }
     WITH met, [m IN met | m.${BOOK.id}] AS ids, coalesce(met[-1].${BOOK.order}, 0) AS last
     CALL (met, ids, last) {
       UNWIND met AS o RETURN o, false AS missed
       UNION ALL
       MATCH (o:${name}) WHERE o.${BOOK.order} > 0 AND o.${BOOK.order} < last
         AND NOT o.${BOOK.id} IN $except AND NOT o.${BOOK.id} IN ids
       RETURN o, true AS missed
     }
     RETURN elementId(o) AS elementId, properties(o) AS properties, o.\`__proto__\` IS NOT NULL AS hidden, missed`,
    { except, limit: storedNumber(limit) },
  );
  const met = rows.filter((row) => row.get('missed') !== true).map(rowOf);
  const missed = rows.filter((row) => row.get('missed') === true).map(rowOf);
  return [...met, ...olderOf(met.sort(byOrder), missed)].sort(byOrder);
}

function rowOf(row: Row): OutboxRow {
  return { elementId: row.get('elementId'), properties: row.get('properties'), hidden: row.get('hidden') };
}

/** Those that come before one of their key. */
function olderOf(met: readonly OutboxRow[], missed: readonly OutboxRow[]): readonly OutboxRow[] {
  if (missed.length === 0) return [];
  // In their order, so the last of a key is its newest.
  const newest = new Map(met.map((row) => [row.properties[BOOK.key], row]));
  return missed.filter((row) => {
    const last = newest.get(row.properties[BOOK.key]);
    return last !== undefined && byOrder(row, last) < 0;
  });
}

/** How many entries there are, off the server's own counter. */
export async function countOutbox(client: Neo4jClient, label: string): Promise<number> {
  const [row] = await client.runAlone(`MATCH (o:${quoted(label)}) RETURN count(o) AS entries`);
  return Number(row?.get('entries') ?? 0);
}

function byOrder({ properties: left }: OutboxRow, { properties: right }: OutboxRow): number {
  return (
    numberOf(left[BOOK.version]) - numberOf(right[BOOK.version]) ||
    numberOf(left[BOOK.rank]) - numberOf(right[BOOK.rank])
  );
}

const numberOf = (value: unknown): number => Number(readScalar(value) ?? 0);
