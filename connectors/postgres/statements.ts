import type { Statement } from './client.ts';
import type { Column, Table } from './tables.ts';

/**
 * The text of every query on one kind. All of it is put together from names in tables.ts and the schema's name, which
 * the options allow to be a plain word; values are parameters, always.
 */
export interface Statements {
  /** One array per column and of the guard. Answers the numbers (from 1) of the changes that were no newer than the row. */
  readonly upsert: Statement;
  /** COPY of every column and the guard's, in that order. It has no guard: one key that is there already fails all of the rows. */
  readonly copy: string;
  /** One array per key column. Answers the key's number (from 1), version, deleted, then every column. */
  readonly get: Statement;
  readonly count: Statement;
  /** Answers version and every column, in scan order. Parameters: the limit, then the places that are given. */
  page(bounds: { readonly after: boolean; readonly until: boolean }): Statement;
  /** Parameters: percent of the table to sample, parts. Answers the last place of each part but the last. */
  readonly boundaries: Statement;
  /** Answers the table's size on disk in blocks. */
  readonly blocks: Statement;
}

const names = (columns: readonly Pick<Column, 'name'>[], prefix = '') =>
  columns.map((column) => `${prefix}"${column.name}"`).join(', ');

const arrays = (columns: readonly Pick<Column, 'type'>[]) =>
  columns.map((column, index) => `$${index + 1}::${column.type}[]`).join(', ');

export const GUARD_COLUMNS = [
  { name: 'version', type: 'bigint' },
  { name: 'deleted', type: 'boolean' },
] as const;

export function statementsFor(schema: string, table: Table): Statements {
  const held = `"${schema}"."${table.held}"`;
  const view = `"${schema}"."${table.view}"`;
  return {
    upsert: { name: `upsert ${table.kind}`, text: upsertText(held, table) },
    copy: `COPY ${held} (${names([...table.columns, ...GUARD_COLUMNS])}) FROM STDIN (FORMAT binary)`,
    get: { name: `get ${table.kind}`, text: getText(held, table) },
    count: { text: `SELECT count(*) FROM ${view}` },
    page: (bounds) => ({
      name: `page ${table.kind} ${bounds.after} ${bounds.until}`,
      text: pageText(view, table, bounds),
    }),
    boundaries: { text: boundariesText(held, table) },
    blocks: {
      text: `SELECT pg_relation_size('${held}') / current_setting('block_size')::bigint`,
    },
  };
}

/**
 * The guard is the last line of the insert: what is written is decided under the row's lock. Tombstones lose their content.
 * Nearly always all of a batch is written; then nothing comes back, which is a fifth faster than a row for each key. What
 * was written is looked up in a hash (NOT IN; no key is NULL), whatever the planner believes about the arrays.
 */
function upsertText(held: string, { key, columns }: Table): string {
  const written = [...columns, ...GUARD_COLUMNS];
  const list = written.map((column) => `"${column.name}"`);
  const keyNames = new Set(key.map((column) => `"${column.name}"`));
  const assignments = list.filter((name) => !keyNames.has(name)).map((name) => `${name} = excluded.${name}`);
  const keyArrays = key.map((column) => `$${written.indexOf(column) + 1}::${column.type}[]`);
  return `WITH written AS (
INSERT INTO ${held} AS held (${list.join(', ')})
SELECT * FROM unnest(${arrays(written)})
ON CONFLICT (${names(key)}) DO UPDATE SET ${assignments.join(', ')}
WHERE held.version < excluded.version
RETURNING ${names(key)})
SELECT number::int FROM unnest(${keyArrays.join(', ')}) WITH ORDINALITY AS asked (${names(key)}, number)
WHERE (SELECT count(*) FROM written) < cardinality(${keyArrays[0]})
AND (${names(key, 'asked.')}) NOT IN (SELECT ${names(key)} FROM written)`;
}

function getText(held: string, { key, columns }: Table): string {
  return `SELECT asked.number, held.version, held.deleted, ${names(columns, 'held.')}
FROM unnest(${arrays(key)}) WITH ORDINALITY AS asked (${names(key)}, number)
JOIN ${held} AS held USING (${names(key)})`;
}

function pageText(
  view: string,
  { place, columns }: Table,
  { after, until }: { readonly after: boolean; readonly until: boolean },
): string {
  const tuple = (from: number) => place.map((column, index) => `$${from + index}::${column.type}`).join(', ');
  const conditions = [
    after ? `(${names(place)}) > (${tuple(2)})` : undefined,
    until ? `(${names(place)}) <= (${tuple(after ? 2 + place.length : 2)})` : undefined,
  ].filter((condition) => condition !== undefined);
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}\n`;
  return `SELECT version, ${names(columns)} FROM ${view}
${where}ORDER BY ${names(place)} LIMIT $1`;
}

function boundariesText(held: string, { place }: Table): string {
  return `SELECT ${names(place)} FROM (
  SELECT ${names(place)}, part, row_number() OVER (PARTITION BY part ORDER BY ${names(place, 'tile.')}) AS number,
    count(*) OVER (PARTITION BY part) AS size
  FROM (
    SELECT ${names(place)}, ntile($2::int) OVER (ORDER BY ${names(place)}) AS part
    FROM ${held} TABLESAMPLE SYSTEM ($1::float8) WHERE NOT deleted
  ) AS tile
) AS numbered
WHERE number = size AND part < $2::int
ORDER BY ${names(place)}`;
}
