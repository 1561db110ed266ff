import { jsonOf, textOf, writeInt64 } from './arrays.ts';
import type { ColumnType } from './tables.ts';

/**
 * Rows in the binary format of COPY: a signature, then for each row the number of its fields and the length and bytes of
 * each, then an end (https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"). The bytes of a value are
 * those of the arrays, so there is nothing to escape here either.
 */
export class CopyRows {
  readonly #types: readonly ColumnType[];
  #buffer: Buffer;
  #at: number;

  constructor(types: readonly ColumnType[], expectedBytes: number) {
    this.#types = types;
    this.#buffer = Buffer.allocUnsafe(expectedBytes);
    this.#at = 0;
    this.#reserve(SIGNATURE.length);
    this.#at += SIGNATURE.copy(this.#buffer);
  }

  add(values: readonly unknown[]): void {
    this.#reserve(FIELDS_BYTES + this.#types.length * MOST_FIXED_BYTES);
    this.#at = this.#buffer.writeInt16BE(this.#types.length, this.#at);
    for (const [index, type] of this.#types.entries()) {
      const value = values[index];
      if (value === null || value === undefined) this.#at = this.#buffer.writeInt32BE(NULL_LENGTH, this.#at);
      else this.#write(type, value);
    }
  }

  finish(): Buffer {
    this.#reserve(FIELDS_BYTES);
    this.#at = this.#buffer.writeInt16BE(NO_MORE, this.#at);
    return this.#buffer.subarray(0, this.#at);
  }

  #write(columnType: ColumnType, value: unknown): void {
    switch (columnType) {
      case 'text':
        this.#writeText(textOf(value));
        break;
      case 'json':
        this.#writeText(jsonOf(value));
        break;
      case 'boolean':
        this.#at = this.#buffer.writeInt32BE(1, this.#at);
        this.#at = this.#buffer.writeUInt8(value === true ? 1 : 0, this.#at);
        break;
      case 'bigint':
        this.#at = this.#buffer.writeInt32BE(8, this.#at);
        this.#at = writeInt64(this.#buffer, value as number, this.#at);
        break;
      case 'float8':
        this.#at = this.#buffer.writeInt32BE(8, this.#at);
        this.#at = this.#buffer.writeDoubleBE(value as number, this.#at);
        break;
      default:
        columnType satisfies never;
    }
  }

  #writeText(text: string): void {
    this.#reserve(LENGTH_BYTES + text.length * MOST_BYTES_A_UNIT + this.#types.length * MOST_FIXED_BYTES);
    const length = this.#buffer.write(text, this.#at + LENGTH_BYTES);
    this.#at = this.#buffer.writeInt32BE(length, this.#at) + length;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(2 * this.#buffer.length + bytes);
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}

/** No flags, no extension. */
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const FIELDS_BYTES = 2;
const NO_MORE = -1;
const LENGTH_BYTES = 4;
const NULL_LENGTH = -1;
const MOST_FIXED_BYTES = LENGTH_BYTES + 8;
/** A unit of UTF-16 in UTF-8. */
const MOST_BYTES_A_UNIT = 3;
