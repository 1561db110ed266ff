import { int } from 'neo4j-driver';
import type { RejectedItem } from '../connector.ts';
import type { Neo4jClient, Row } from './client.ts';
import { quoted } from './names.ts';

/** What no walk in the order of ids meets: nodes without an id, or with one that is no text or an empty one. */
const BAD_ID = "NOT coalesce(n.id > '', false)";

export async function* nodesWithBadIds(
  client: Neo4jClient,
  label: string,
  limit: number,
): AsyncGenerator<readonly RejectedItem[]> {
  const text = `MATCH (n:${quoted(label)}) WHERE ${BAD_ID} AND elementId(n) > $after
    RETURN elementId(n) AS at, n.id IS NULL AS missing, n.id = '' AS empty ORDER BY at LIMIT $limit`;
  yield* pages(client, text, limit, (row) => ({
    where: `node ${row.get('at')} (:${label})`,
    reason: idFault(row.get('missing') === true, row.get('empty') === true),
  }));
}

function idFault(missing: boolean, empty: boolean): string {
  if (missing) return 'it has no id';
  return empty ? 'id is empty' : 'id is not a string';
}

export async function* tiesWithBadEnds(
  client: Neo4jClient,
  label: string,
  limit: number,
): AsyncGenerator<readonly RejectedItem[]> {
  const name = quoted(label);
  const text = `MATCH (n:${name}) WHERE ${BAD_ID}
    MATCH (n)-[r]-(:${name}) WITH DISTINCT r, elementId(r) AS at WHERE at > $after
    RETURN at, type(r) AS type, elementId(startNode(r)) AS source, elementId(endNode(r)) AS target
    ORDER BY at LIMIT $limit`;
  yield* pages(client, text, limit, (row) => ({
    where: `relationship ${row.get('at')} (${row.get('type')} from node ${row.get('source')} to ${row.get('target')})`,
    reason: 'one of its ends has no id that is a non-empty string',
  }));
}

/** Pages by element id: no order that means anything, but a bounded number at once. */
async function* pages(
  client: Neo4jClient,
  text: string,
  limit: number,
  describe: (row: Row) => RejectedItem,
): AsyncGenerator<readonly RejectedItem[]> {
  let after = '';
  for (;;) {
    const rows = await client.query(text, { after, limit: int(limit) });
    if (rows.length > 0) yield rows.map(describe);
    if (rows.length < limit) return;
    after = rows.at(-1)?.get('at') ?? after;
  }
}
