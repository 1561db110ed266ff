import type { Change, EntityOf } from '../../schemas/change.ts';
import { parseKey, type ScanKey } from '../../schemas/keys.ts';
import { binaryArray } from './arrays.ts';
import type { Row } from './client.ts';
import { CopyRows } from './copy-rows.ts';
import { GUARD_COLUMNS } from './statements.ts';
import type { Column, PostgresKind, Table } from './tables.ts';

/** Entities to rows and back, to the last bit. */

/** Only where to begin: the buffer grows. */
const EXPECTED_ROW_BYTES = 300;

type Fields = Readonly<Record<string, unknown>>;

/** The parameters of the upsert: one array per column, one element per change. A tombstone has its key alone. */
export function upsertParameters(table: Table, changes: readonly Change[]): readonly Buffer[] {
  const contents = changes.map((change) => contentOf(table, change));
  const [version, deleted] = GUARD_COLUMNS;
  return [
    ...columnArrays(table.columns, contents),
    binaryArray(
      version.type,
      changes.map((change) => change.version),
    ),
    binaryArray(
      deleted.type,
      changes.map((change) => change.after === null),
    ),
  ];
}

/** The same rows for COPY, the columns of the guard last. */
export function copyData(table: Table, changes: readonly Change[]): Buffer {
  const types = [...table.columns, ...GUARD_COLUMNS].map((column) => column.type);
  const rows = new CopyRows(types, changes.length * EXPECTED_ROW_BYTES);
  for (const change of changes) {
    const content = contentOf(table, change);
    const values = table.columns.map((column) => content[column.field]);
    values.push(change.version, change.after === null);
    rows.add(values);
  }
  return rows.finish();
}

function contentOf(table: Table, change: Change): Fields {
  return (change.after ?? parseKey(table.kind, change.key)) as unknown as Fields;
}

export function keyParameters(table: Table, keys: readonly string[]): readonly Buffer[] {
  return columnArrays(
    table.key,
    keys.map((key): Fields => parseKey(table.kind, key) as unknown as Fields),
  );
}

function columnArrays(columns: readonly Column[], contents: readonly Fields[]): readonly Buffer[] {
  return columns.map((column) =>
    binaryArray(
      column.type,
      contents.map((fields) => fields[column.field]),
    ),
  );
}

/** The entity whose columns begin at `offset` of the row. */
export function entityOf<K extends PostgresKind>(table: Table<K>, row: Row, offset: number): EntityOf[K] {
  return fieldsOf(table.columns, row, offset) as unknown as EntityOf[K];
}

function fieldsOf(columns: readonly Column[], row: Row, offset: number): Fields {
  const fields: Record<string, unknown> = {};
  for (const [index, column] of columns.entries()) fields[column.field] = row[offset + index];
  return fields;
}

export function placeOf(row: Row): ScanKey {
  return row as (string | number)[];
}
