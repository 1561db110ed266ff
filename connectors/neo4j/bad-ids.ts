import type { Clock } from '../../core/clock.ts';
import { chunked } from '../../core/sequence.ts';
import type { RejectedItem } from '../connector.ts';
import type { Neo4jClient, Row } from './client.ts';
import { quoted } from './names.ts';

/**
 * What a transaction deletes vanishes piece by piece: for a moment a node has its label, and not all of its properties any
 * more. So whatever looks wrong is looked at again after this time, before it is reported.
 */
export const SETTLED_MS = 100;

/** What no walk in the order of ids meets: nodes without an id, or with one that is no text or an empty one. */
const badId = (node: string): string => `NOT coalesce(${node}.id > '', false)`;

export interface Looker {
  readonly client: Neo4jClient;
  readonly clock: Clock;
}

export async function* nodesWithBadIds(
  looker: Looker,
  label: string,
  limit: number,
): AsyncGenerator<readonly RejectedItem[]> {
  const text = `MATCH (n:${quoted(label)}) WHERE ${badId('n')}
    RETURN elementId(n) AS at, n.id IS NULL AS missing, n.id = '' AS empty`;
  const again = `MATCH (n:${quoted(label)}) WHERE elementId(n) IN $ats AND ${badId('n')} RETURN elementId(n) AS at`;
  yield* confirmed(looker, text, again, limit, (row) => ({
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
  looker: Looker,
  label: string,
  limit: number,
): AsyncGenerator<readonly RejectedItem[]> {
  const name = quoted(label);
  const text = `MATCH (n:${name}) WHERE ${badId('n')}
    MATCH (n)-[r]-(:${name}) WITH n, r, startNode(r) AS s, endNode(r) AS t WHERE n = s OR NOT ${badId('s')}
    RETURN elementId(r) AS at, type(r) AS type, elementId(s) AS source, elementId(t) AS target`;
  const again = `MATCH (s:${name})-[r]->(t:${name})
    WHERE elementId(r) IN $ats AND (${badId('s')} OR ${badId('t')}) RETURN elementId(r) AS at`;
  yield* confirmed(looker, text, again, limit, (row) => ({
    where: `relationship ${row.get('at')} (${row.get('type')} from node ${row.get('source')} to ${row.get('target')})`,
    reason: 'one of its ends has no id that is a non-empty string',
  }));
}

interface Found {
  readonly at: string;
  readonly item: RejectedItem;
}

/** In one statement, because each would read the whole label; there may be more than memory holds. */
async function* confirmed(
  { client, clock }: Looker,
  find: string,
  again: string,
  limit: number,
  describe: (row: Row) => RejectedItem,
): AsyncGenerator<readonly RejectedItem[]> {
  for await (const rows of client.stream(find)) {
    for (const some of chunked(rows, limit)) {
      const found = some.map((row): Found => ({ at: row.get('at'), item: describe(row) }));
      await clock.sleep(SETTLED_MS);
      const left = await client.query(again, { ats: found.map(({ at }) => at) });
      const still = new Set(left.map((row) => row.get('at')));
      yield found.flatMap(({ at, item }) => (still.has(at) ? [item] : []));
    }
  }
}
