import { isNegativeZero, toJson } from '../../core/json.ts';
import type { ColumnType } from './tables.ts';

/**
 * Array literals (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO), one parameter per column. Ours and
 * not pg's own, because that sends −0 as 0, and costs twice the time.
 */
export function arrayLiteral(type: ColumnType, values: readonly unknown[]): string {
  const write = WRITERS[type];
  let literal = '{';
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (index > 0) literal += ',';
    literal += value === null || value === undefined ? 'NULL' : write(value);
  }
  return `${literal}}`;
}

const WRITERS: Readonly<Record<ColumnType, (value: unknown) => string>> = {
  text: (value) => quote(String(value)),
  bigint: String,
  float8: (value) => (isNegativeZero(value) ? '-0' : String(value)),
  boolean: String,
  json: (value) => quote(stringify(value as object)),
};

const NEEDS_ESCAPE = /["\\]/;

function quote(text: string): string {
  return NEEDS_ESCAPE.test(text) ? `"${text.replaceAll(/["\\]/g, '\\$&')}"` : `"${text}"`;
}

/** `toJson` looks at every value through a replacer, which is several times slower; few objects have a −0. */
function stringify(fields: object): string {
  return Object.values(fields).some(isNegativeZero) ? toJson(fields) : JSON.stringify(fields);
}
