import { chunked } from '../../core/sequence.ts';
import type { RejectedItem } from '../connector.ts';
import type { Neo4jClient, Row } from './client.ts';
import { quoted } from './names.ts';

/** What no walk in the order of ids meets: nodes without an id, or with one that is no text or an empty one. */
const badId = (node: string): string => `NOT coalesce(${node}.id > '', false)`;

export async function* nodesWithBadIds(
  client: Neo4jClient,
  label: string,
  limit: number,
): AsyncGenerator<readonly RejectedItem[]> {
  const text = `MATCH (n:${quoted(label)}) WHERE ${badId('n')}
    RETURN elementId(n) AS at, n.id IS NULL AS missing, n.id = '' AS empty`;
  yield* streamed(client, text, limit, (row) => ({
    where: `node ${row.get('at')} (:${label})`,
    reason: idFault(row.get('missing') === true, row.get('empty') === true),
  }));
}

function idFault(missing: boolean, empty: boolean): string {
  if (missing) return 'it has no id';
  return empty ? 'id is empty' : 'id is not a string';
}

/** A relationship that is met from both of its ends counts at its start: the server need not remember what it met. */
export async function* tiesWithBadEnds(
  client: Neo4jClient,
  label: string,
  limit: number,
): AsyncGenerator<readonly RejectedItem[]> {
  const name = quoted(label);
  const text = `MATCH (n:${name}) WHERE ${badId('n')}
    MATCH (n)-[r]-(:${name}) WITH n, r, startNode(r) AS s, endNode(r) AS t WHERE n = s OR NOT ${badId('s')}
    RETURN elementId(r) AS at, type(r) AS type, elementId(s) AS source, elementId(t) AS target`;
  yield* streamed(client, text, limit, (row) => ({
    where: `relationship ${row.get('at')} (${row.get('type')} from node ${row.get('source')} to ${row.get('target')})`,
    reason: 'one of its ends has no id that is a non-empty string',
  }));
}

/** In one statement, because each would read the whole label. There may be more than memory holds. */
async function* streamed(
  client: Neo4jClient,
  text: string,
  limit: number,
  describe: (row: Row) => RejectedItem,
): AsyncGenerator<readonly RejectedItem[]> {
  for await (const rows of client.stream(text)) {
    for (const some of chunked(rows, limit)) yield some.map(describe);
  }
}
