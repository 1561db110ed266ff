import { int } from 'neo4j-driver';
import { externalSort } from '../../core/external-sort.ts';
import { compareCodePoints } from '../../core/text.ts';
import type { Neo4jClient } from './client.ts';
import { quoted } from './names.ts';
import { hasIdIndex } from './schema.ts';
import { VERSION } from './values.ts';

/** A node with its id. Several nodes of one id may exist where no constraint forbids it; they come together. */
export interface Placed {
  readonly id: string;
  readonly at: string;
  /** Its version (or what stands in its place), where the walk has read it. */
  readonly version?: unknown;
}

/** A stretch of ids, in code point order. */
export interface IdRange {
  readonly after: string;
  /** Whether `after` itself belongs to it. */
  readonly inclusive: boolean;
  readonly until: string | null;
  /** About how many nodes come at once. */
  readonly limit: number;
}

/**
 * Walks the nodes of a label whose id is a non-empty text, in the order of their ids.
 *
 * The order is the index's own, and the index must be used: where the planner compares a stored text with a parameter
 * by itself (a filter on a label scan), it orders them by UTF-16 code units, and where it sorts stored texts, by code
 * points. (Found with 5.26: "\uffee" and an emoji change places.) So with an index there is a hint that the planner
 * must obey, and without one the sorting is done here, on disk, in one pass.
 */
export async function* walkIds(
  client: Neo4jClient,
  label: string,
  range: IdRange,
): AsyncGenerator<readonly Placed[]> {
  const walk = (await hasIdIndex(client, label)) ? walkByIndex : walkBySorting;
  yield* walk(client, label, range);
}

/**
 * There is no upper bound in the query: where the lower one is "\uffee" and the upper one an emoji, the server takes the
 * range for empty (it compares the two by UTF-16) and answers nothing.
 */
async function* walkByIndex(
  client: Neo4jClient,
  label: string,
  { after, inclusive, until, limit }: IdRange,
): AsyncGenerator<readonly Placed[]> {
  const name = quoted(label);
  let [from, comparison] = [after, inclusive ? '>=' : '>'];
  for (;;) {
    const rows = await client.query(
      `MATCH (n:${name}) USING INDEX n:${name}(id) WHERE n.id ${comparison} $from
       RETURN n.id AS id, elementId(n) AS at, n.${VERSION} AS version ORDER BY n.id LIMIT $limit`,
      // One more than asked for shows whether the last id is complete.
      { from, limit: int(limit + 1) },
    );
    const page = rows.map((row): Placed => row.toObject() as Placed);
    const isLast = page.length <= limit;
    const whole = isLast ? page : withoutLastId(page);
    const inside = until === null ? whole : whole.filter(({ id }) => compareCodePoints(id, until) <= 0);
    if (inside.length > 0) yield inside;
    if (isLast || inside.length < whole.length) return;
    [from, comparison] = [whole.at(-1)?.id ?? from, '>'];
  }
}

/** The last id may go on beyond the page; a page of nothing but one id is as good as complete. */
function withoutLastId(page: readonly Placed[]): readonly Placed[] {
  const last = page.at(-1)?.id;
  const whole = page.filter(({ id }) => id !== last);
  return whole.length === 0 ? page : whole;
}

async function* walkBySorting(
  client: Neo4jClient,
  label: string,
  range: IdRange,
): AsyncGenerator<readonly Placed[]> {
  const sorted = externalSort(idLines(client, label, range), { compare: compareLines });
  let page: Placed[] = [];
  for await (const line of sorted) {
    const next = placedOf(line);
    if (page.length >= range.limit && page.at(-1)?.id !== next.id) {
      yield page;
      page = [];
    }
    page.push(next);
  }
  if (page.length > 0) yield page;
}

async function* idLines(
  client: Neo4jClient,
  label: string,
  { after, inclusive, until }: IdRange,
): AsyncGenerator<string> {
  const text = `MATCH (n:${quoted(label)}) WHERE n.id > '' RETURN n.id AS id, elementId(n) AS at`;
  for await (const rows of client.stream(text)) {
    for (const row of rows) {
      const id: string = row.get('id');
      const order = compareCodePoints(id, after);
      if (order < 0 || (order === 0 && !inclusive)) continue;
      if (until !== null && compareCodePoints(id, until) > 0) continue;
      yield `${sortable(id)} ${row.get('at')}`;
    }
  }
}

/** Hexadecimal UTF-8: sorts by code point as plain text does, and has neither spaces nor line breaks. */
export const sortable = (text: string): string => Buffer.from(text).toString('hex');
export const fromSortable = (hex: string): string => Buffer.from(hex, 'hex').toString();

export const compareLines = (left: string, right: string): number =>
  left < right ? -1 : left > right ? 1 : 0;

function placedOf(line: string): Placed {
  const [id = '', at = ''] = line.split(' ');
  return { id: fromSortable(id), at };
}
