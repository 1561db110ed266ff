import type { Neo4jClient } from './client.ts';
import { quoted } from './names.ts';
import type { OutboxRow } from './outbox-entry.ts';
import { BOOK } from './outbox-names.ts';
import { readScalar, storedNumber } from './values.ts';

/**
 * The oldest entries of an outbox but for some, in the order of their versions.
 *
 * Every reading starts at the oldest, because an entry may be committed after others with greater versions. And the server
 * is read-committed: while an index is walked, an entry that comes to stand behind the walk is missed, and the next
 * one of the same key, committed later, may be met. So when the walk has ended (collect is eager), entries of the keys
 * that were met are looked for again: the older one was committed, and every lock of its transaction given back, before
 * the newer could begin.
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
     CALL (met) {
       UNWIND met AS o RETURN o
       UNION
       UNWIND met AS m WITH m.${BOOK.key} AS key, max(m.${BOOK.order}) AS newest
       MATCH (o:${name}) USING INDEX o:${name}(${BOOK.key}, ${BOOK.order})
       WHERE o.${BOOK.key} = key AND o.${BOOK.order} < newest AND NOT o.${BOOK.id} IN $except RETURN o
     }
     RETURN properties(o) AS properties, o.\`__proto__\` IS NOT NULL AS hidden`,
    { except, limit: storedNumber(limit) },
  );
  return rows
    .map((row): OutboxRow => ({ properties: row.get('properties'), hidden: row.get('hidden') }))
    .sort(byOrder);
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
