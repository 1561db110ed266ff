import { externalSort } from '../../core/external-sort.ts';
import type { ScanKey } from '../../schemas/keys.ts';
import { compareScanKeys, isInRange, type ScanRange } from '../../schemas/scan-order.ts';
import type { Neo4jClient } from './client.ts';
import { isText, type ReadTie, readTies, readTiesFrom, tiesFromText } from './read-ties.ts';
import type { Ends } from './rows.ts';
import { compareLines, fromSortable, type Placed, sortable, walkIds } from './walk-ids.ts';

/** How many sources are looked at together. */
const SOURCES = 1_000;
/** A source with more than so many times the limit is a hub: its relationships are not held in memory. */
const HUB_LIMITS = 2;

export const scanKeyOfTie = ({ source, type, target }: Ends): ScanKey => [source, type, target];

export function inScanOrder(ties: readonly ReadTie[]): readonly ReadTie[] {
  return ties.toSorted((left, right) => compareScanKeys(scanKeyOfTie(left), scanKeyOfTie(right)));
}

/**
 * Walks the relationships between agents in the order of (source, type, target), in groups of about `limit`; all of one
 * key are in one group. Sources come in the order of their ids; the relationships of as many of them as make up about
 * `limit` are sorted here. The server cannot do it: it compares texts in an order of its own (walk-ids.ts).
 */
export async function* walkTies(
  client: Neo4jClient,
  label: string,
  range: ScanRange,
  limit: number,
): AsyncGenerator<readonly ReadTie[]> {
  for await (const { ats, degree } of sourceGroups(client, label, range, limit)) {
    if (degree > limit * HUB_LIMITS) {
      yield* hubTies(client, label, ats, range, limit);
      continue;
    }
    const ties = await readTiesFrom(client, label, ats);
    const inside = inScanOrder(ties.filter((tie) => isInRange(scanKeyOfTie(tie), range)));
    if (inside.length > 0) yield inside;
  }
}

interface SourceGroup {
  readonly ats: readonly string[];
  /** How many relationships start from them. */
  readonly degree: number;
}

/** Sources that together have about `limit` relationships; a hub is a group of its own. */
async function* sourceGroups(
  client: Neo4jClient,
  label: string,
  range: ScanRange,
  limit: number,
): AsyncGenerator<SourceGroup> {
  const [first, last] = [range.after?.[0], range.until?.[0]];
  const pages = walkIds(client, label, {
    after: first === undefined ? '' : String(first),
    inclusive: true,
    until: last === undefined ? null : String(last),
    limit: SOURCES,
  });
  let [ats, sum]: [string[], number] = [[], 0];
  for await (const page of pages) {
    const degrees = await outDegrees(client, page);
    for (const nodes of nodesOfOneId(page)) {
      const degree = nodes.reduce((total, { at }) => total + (degrees.get(at) ?? 0), 0);
      if (degree === 0) continue;
      if (sum > 0 && sum + degree > limit) {
        yield { ats, degree: sum };
        [ats, sum] = [[], 0];
      }
      ats.push(...nodes.map(({ at }) => at));
      sum += degree;
    }
  }
  if (sum > 0) yield { ats, degree: sum };
}

/** Nodes that share an id stay together: their relationships are of one source. */
function* nodesOfOneId(page: readonly Placed[]): Generator<readonly Placed[]> {
  let nodes: Placed[] = [];
  for (const node of page) {
    if (nodes.length > 0 && nodes[0]?.id !== node.id) {
      yield nodes;
      nodes = [];
    }
    nodes.push(node);
  }
  if (nodes.length > 0) yield nodes;
}

async function outDegrees(
  client: Neo4jClient,
  page: readonly Placed[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await client.query(
    `MATCH (n) WHERE elementId(n) IN $ats AND EXISTS { (n)-->() }
     RETURN elementId(n) AS at, COUNT { (n)-->() } AS degree`,
    { ats: page.map(({ at }) => at) },
  );
  return new Map(rows.map((row) => [row.get('at'), Number(row.get('degree'))]));
}

/** The relationships of a hub: their keys are sorted on disk, their contents read group by group. */
async function* hubTies(
  client: Neo4jClient,
  label: string,
  sources: readonly string[],
  range: ScanRange,
  limit: number,
): AsyncGenerator<readonly ReadTie[]> {
  let group: TieLine[] = [];
  for await (const line of externalSort(tieLines(client, label, sources), { compare: compareLines })) {
    const next = parseLine(line);
    if (!isInRange(scanKeyOfTie(next), range)) continue;
    const last = group.at(-1);
    if (last !== undefined && group.length >= limit && !isSame(last, next)) {
      yield await readInOrder(client, group);
      group = [];
    }
    group.push(next);
  }
  if (group.length > 0) yield await readInOrder(client, group);
}

interface TieLine extends Ends {
  readonly at: string;
}

async function readInOrder(client: Neo4jClient, lines: readonly TieLine[]): Promise<readonly ReadTie[]> {
  const ties = await readTies(
    client,
    lines.map(({ at }) => at),
  );
  const byAt = new Map(ties.map((tie) => [tie.at, tie]));
  return lines.flatMap((line) => {
    const tie = byAt.get(line.at);
    // It may have gone since, or its place have been taken by another relationship.
    return tie !== undefined && isSame(tie, line) ? tie : [];
  });
}

async function* tieLines(
  client: Neo4jClient,
  label: string,
  sources: readonly string[],
): AsyncGenerator<string> {
  const rows = client.stream(
    `${tiesFromText(label)} RETURN s.id AS source, type(r) AS type, t.id AS target, elementId(r) AS at`,
    { sources },
  );
  for await (const batch of rows) {
    for (const row of batch) {
      const [source, target] = [row.get('source'), row.get('target')];
      if (!isText(source) || !isText(target)) continue;
      yield `${sortable(source)} ${sortable(row.get('type'))} ${sortable(target)} ${row.get('at')}`;
    }
  }
}

function parseLine(line: string): TieLine {
  const [source = '', type = '', target = '', at = ''] = line.split(' ');
  return { source: fromSortable(source), type: fromSortable(type), target: fromSortable(target), at };
}

export function isSame(left: Ends, right: Ends): boolean {
  return left.source === right.source && left.type === right.type && left.target === right.target;
}
