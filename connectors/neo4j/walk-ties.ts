import { externalSort } from '../../core/external-sort.ts';
import type { ScanKey } from '../../schemas/keys.ts';
import { isInRange, type ScanRange } from '../../schemas/scan-order.ts';
import type { Neo4jClient } from './client.ts';
import { quoted } from './names.ts';
import type { Ends } from './rows.ts';
import { compareLines, fromSortable, sortable, walkIds } from './walk-ids.ts';

/** A relationship with its element id. */
export interface PlacedTie extends Ends {
  readonly at: string;
}

/** How many sources are looked at together. */
const SOURCES = 1_000;

export const scanKeyOfTie = ({ source, type, target }: Ends): ScanKey => [source, type, target];

/**
 * Walks the relationships between agents in the order of (source, type, target). Sources come in the order of their
 * ids; the relationships of as many of them as make up about `limit` are sorted here. The server cannot do it: it
 * compares texts in an order of its own (walk-ids.ts). A hub with millions of relationships is sorted on disk.
 */
export async function* walkTies(
  client: Neo4jClient,
  label: string,
  range: ScanRange,
  limit: number,
): AsyncGenerator<PlacedTie> {
  const [first, last] = [range.after?.[0], range.until?.[0]];
  const sources = walkIds(client, label, {
    after: first === undefined ? '' : String(first),
    inclusive: true,
    until: last === undefined ? null : String(last),
    limit: SOURCES,
  });
  for await (const page of sources) {
    const degrees = await outDegrees(
      client,
      page.map(({ at }) => at),
    );
    let [group, size]: [string[], number] = [[], 0];
    for (const [index, { id, at }] of page.entries()) {
      const degree = degrees.get(at) ?? 0;
      if (degree > 0) group.push(at);
      size += degree;
      // Nodes that share an id stay together: their relationships are of one source.
      if (size < limit || page[index + 1]?.id === id) continue;
      yield* tiesOf(client, label, group, range);
      [group, size] = [[], 0];
    }
    if (size > 0) yield* tiesOf(client, label, group, range);
  }
}

async function outDegrees(client: Neo4jClient, ats: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const rows = await client.query(
    `MATCH (n) WHERE elementId(n) IN $ats AND EXISTS { (n)-->() }
     RETURN elementId(n) AS at, COUNT { (n)-->() } AS degree`,
    { ats },
  );
  return new Map(rows.map((row) => [row.get('at'), Number(row.get('degree'))]));
}

async function* tiesOf(
  client: Neo4jClient,
  label: string,
  sources: readonly string[],
  range: ScanRange,
): AsyncGenerator<PlacedTie> {
  for await (const line of externalSort(tieLines(client, label, sources), { compare: compareLines })) {
    const [source = '', type = '', target = '', at = ''] = line.split(' ');
    const tie = {
      source: fromSortable(source),
      type: fromSortable(type),
      target: fromSortable(target),
      at,
    };
    if (isInRange(scanKeyOfTie(tie), range)) yield tie;
  }
}

async function* tieLines(
  client: Neo4jClient,
  label: string,
  sources: readonly string[],
): AsyncGenerator<string> {
  const rows = client.stream(
    `MATCH (s) WHERE elementId(s) IN $sources
     MATCH (s)-[r]->(t:${quoted(label)}) WHERE s.id > '' AND t.id > ''
     RETURN s.id AS source, type(r) AS type, t.id AS target, elementId(r) AS at`,
    { sources },
  );
  for await (const batch of rows) {
    for (const row of batch) {
      const parts = [row.get('source'), row.get('type'), row.get('target')].map((part) => sortable(part));
      yield `${parts.join(' ')} ${row.get('at')}`;
    }
  }
}
