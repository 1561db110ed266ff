import { readFileSync } from 'node:fs';
import avsc from 'avsc';
import { ChangeoverError, messageOf } from '../core/errors.ts';
import type { SchemaName } from './kinds.ts';

export type AvroType = avsc.Type;

/** Parses a schema's JSON text. Logical types stay the numbers that they annotate. */
export function parseSchema(text: string): AvroType {
  try {
    return avsc.Type.forSchema(JSON.parse(text) as avsc.Schema, { omitRecordMethods: true });
  } catch (error) {
    throw new ChangeoverError('internal', `Not an Avro schema: ${messageOf(error)}`, { cause: error });
  }
}

/** The schema that this version of Changeover writes. */
export function currentSchema(name: SchemaName): AvroType {
  return parseSchema(readFileSync(new URL(`${name}.avsc`, import.meta.url), 'utf8'));
}

const EMPTY = 0xc15d213aa4d7a795n;
const FINGERPRINT_TABLE: readonly bigint[] = Array.from({ length: 256 }, (_, index) => {
  let value = BigInt(index);
  for (let bit = 0; bit < 8; bit++) value = (value >> 1n) ^ (EMPTY & -(value & 1n));
  return BigInt.asUintN(64, value);
});

/**
 * CRC-64-AVRO of the schema's parsing canonical form: 8 bytes, little-endian, as single-object encoding carries it.
 * https://avro.apache.org/docs/1.12.0/specification/#schema-fingerprints
 */
export function rabinFingerprint(type: AvroType): Buffer {
  let value = EMPTY;
  for (const byte of Buffer.from(JSON.stringify(type.schema({ noDeref: false })))) {
    value = (value >> 8n) ^ (FINGERPRINT_TABLE[Number((value ^ BigInt(byte)) & 0xffn)] ?? 0n);
  }
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}
