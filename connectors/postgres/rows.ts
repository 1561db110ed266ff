import type { Change, EntityOf } from '../../schemas/change.ts';
import { keyOf, parseKey, type ScanKey } from '../../schemas/keys.ts';
import type { Row } from './client.ts';
import { arrayLiteral } from './literals.ts';
import { GUARD_COLUMNS } from './statements.ts';
import type { Column, PostgresKind, Table } from './tables.ts';

/** Entities to rows and back, to the last bit. */

type Fields = Readonly<Record<string, unknown>>;

/** The parameters of the upsert: one array per column, one element per change. A tombstone has its key alone. */
export function upsertParameters(table: Table, changes: readonly Change[]): readonly string[] {
  const contents = changes.map(
    (change): Fields => (change.after ?? parseKey(table.kind, change.key)) as unknown as Fields,
  );
  const [version, deleted] = GUARD_COLUMNS;
  return [
    ...columnLiterals(table.columns, contents),
    arrayLiteral(
      version.type,
      changes.map((change) => change.version),
    ),
    arrayLiteral(
      deleted.type,
      changes.map((change) => change.after === null),
    ),
  ];
}

export function keyParameters(table: Table, keys: readonly string[]): readonly string[] {
  return columnLiterals(
    table.key,
    keys.map((key): Fields => parseKey(table.kind, key) as unknown as Fields),
  );
}

function columnLiterals(columns: readonly Column[], contents: readonly Fields[]): readonly string[] {
  return columns.map((column) =>
    arrayLiteral(
      column.type,
      contents.map((fields) => fields[column.field]),
    ),
  );
}

/** The entity whose columns begin at `offset` of the row. */
export function entityOf<K extends PostgresKind>(table: Table<K>, row: Row, offset: number): EntityOf[K] {
  return fieldsOf(table.columns, row, offset) as unknown as EntityOf[K];
}

/** The key whose columns are the whole row. */
export function rowKey(table: Table, row: Row): string {
  return keyOf(table.kind, fieldsOf(table.key, row, 0) as never);
}

function fieldsOf(columns: readonly Column[], row: Row, offset: number): Fields {
  const fields: Record<string, unknown> = {};
  for (const [index, column] of columns.entries()) fields[column.field] = row[offset + index];
  return fields;
}

export function placeOf(row: Row): ScanKey {
  return row as (string | number)[];
}
