import { isNegativeZero, toJson } from '../../core/json.ts';
import type { ColumnType } from './tables.ts';

/**
 * Arrays in the server's binary format, one parameter per column: the number of dimensions, a flag for NULLs, the
 * elements' type, the dimension's length and lower bound, then the length and bytes of each element (array_recv in
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/arrayfuncs.c). pg sends a Buffer as it is.
 * Against text there is nothing to quote, and a double goes bit by bit, −0 too.
 */
export function binaryArray(type: ColumnType, values: readonly unknown[]): Buffer {
  if (type === 'text') return variableArray(type, values.map(orNull(textOf)));
  if (type === 'json') return variableArray(type, values.map(orNull(jsonOf)));
  return fixedArray(type, values);
}

/** https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat: fixed for ever. */
const ELEMENT_OIDS: Readonly<Record<ColumnType, number>> = {
  boolean: 16,
  bigint: 20,
  text: 25,
  json: 114,
  float8: 701,
};
const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const NULL_LENGTH = -1;

type Variable = 'text' | 'json';
type Fixed = Exclude<ColumnType, Variable>;

export const textOf = (value: unknown): string => String(value);
export const jsonOf = (value: unknown): string => stringify(value as object);

const orNull =
  (write: (value: unknown) => string) =>
  (value: unknown): string | null =>
    isNothing(value) ? null : write(value);

function isNothing(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

function variableArray(type: Variable, texts: readonly (string | null)[]): Buffer {
  let bytes = HEADER_BYTES;
  for (const text of texts) bytes += LENGTH_BYTES + (text === null ? 0 : Buffer.byteLength(text));
  const array = startArray(type, texts.length, bytes);
  let place = HEADER_BYTES;
  for (const text of texts) {
    const length = text === null ? NULL_LENGTH : array.write(text, place + LENGTH_BYTES);
    place = array.writeInt32BE(length, place) + Math.max(length, 0);
  }
  return array;
}

/** Bytes of one element, and how it is written. */
const WRITERS: Readonly<Record<Fixed, readonly [number, (to: Buffer, value: unknown, at: number) => void]>> =
  {
    boolean: [1, (to, value, at) => to.writeUInt8(value === true ? 1 : 0, at)],
    bigint: [8, (to, value, at) => writeInt64(to, value as number, at)],
    float8: [8, (to, value, at) => to.writeDoubleBE(value as number, at)],
  };

function fixedArray(type: Fixed, values: readonly unknown[]): Buffer {
  const [width, write] = WRITERS[type];
  const array = startArray(type, values.length, HEADER_BYTES + values.length * (LENGTH_BYTES + width));
  let place = HEADER_BYTES;
  for (const value of values) {
    if (isNothing(value)) place = array.writeInt32BE(NULL_LENGTH, place);
    else {
      place = array.writeInt32BE(width, place);
      write(array, value, place);
      place += width;
    }
  }
  return array.subarray(0, place);
}

/** The halves of a safe integer; a BigInt would cost an object each. Answers the place behind. */
export function writeInt64(to: Buffer, value: number, at: number): number {
  const high = Math.floor(value / 2 ** 32);
  return to.writeUInt32BE(value - high * 2 ** 32, to.writeInt32BE(high, at));
}

function startArray(type: ColumnType, length: number, bytes: number): Buffer {
  const array = Buffer.allocUnsafe(bytes);
  array.writeInt32BE(1, 0);
  // Only a hint, and none to us: the server looks at each length.
  array.writeInt32BE(1, 4);
  array.writeInt32BE(ELEMENT_OIDS[type], 8);
  array.writeInt32BE(length, 12);
  array.writeInt32BE(1, 16);
  return array;
}

/** `toJson` looks at every value through a replacer, which is several times slower; few objects have a −0. */
function stringify(fields: object): string {
  return Object.values(fields).some(isNegativeZero) ? toJson(fields) : JSON.stringify(fields);
}
