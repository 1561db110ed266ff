import { readdirSync, readFileSync } from 'node:fs';
import type { Resolver } from 'avsc';
import { type AvroType, currentSchema, parseSchema, rabinFingerprint } from './avro.ts';
import type { SchemaName } from './kinds.ts';

/**
 * How a record's bytes say which schema wrote them. Single-object encoding needs no registry; the Confluent wire
 * format (first byte 0) joins here when there is one. A reader tells them apart by the first byte.
 */
export interface Framing<N extends SchemaName> {
  encode(name: N, value: unknown): Buffer;
  /** Throws when the bytes are not a value of that schema, or were written by a schema that is not known here. */
  decode(name: N, bytes: Buffer): unknown;
}

/** `C3 01` and the fingerprint. https://avro.apache.org/docs/1.12.0/specification/#single-object-encoding */
const MARKER = Buffer.from([0xc3, 0x01]);
const HEADER_BYTES = MARKER.byteLength + 8;
const INITIAL_SCRATCH_BYTES = 16 * 1024;

interface Reader {
  readonly writer: AvroType;
  /** Undefined for the current schema. */
  readonly resolver: Resolver | undefined;
}

interface Schema {
  readonly current: AvroType;
  readonly header: Buffer;
  /** By fingerprint in hex: the current schema and every older one in schemas/history. */
  readonly readers: ReadonlyMap<string, Reader>;
}

/** Older versions of a schema are kept as history/<name>.<n>.avsc, and stay readable for ever. */
function olderSchemas(name: SchemaName, historyFolder: URL): readonly AvroType[] {
  return readdirSync(historyFolder)
    .filter((file) => file.startsWith(`${name}.`) && file.endsWith('.avsc'))
    .map((file) => parseSchema(readFileSync(new URL(file, historyFolder), 'utf8')));
}

function openSchema(name: SchemaName, historyFolder: URL): Schema {
  const current = currentSchema(name);
  const fingerprint = rabinFingerprint(current);
  const readers = new Map<string, Reader>([
    [fingerprint.toString('hex'), { writer: current, resolver: undefined }],
  ]);
  for (const writer of olderSchemas(name, historyFolder)) {
    readers.set(rabinFingerprint(writer).toString('hex'), {
      writer,
      resolver: current.createResolver(writer),
    });
  }
  return { current, header: Buffer.concat([MARKER, fingerprint]), readers };
}

export function openSingleObjectFraming<N extends SchemaName>(
  names: readonly N[],
  historyFolder: URL = new URL('history/', import.meta.url),
): Framing<N> {
  const schemas = new Map<SchemaName, Schema>(names.map((name) => [name, openSchema(name, historyFolder)]));
  let scratch = Buffer.allocUnsafe(INITIAL_SCRATCH_BYTES);

  const schemaOf = (name: N): Schema => {
    const schema = schemas.get(name);
    if (schema === undefined) throw new Error(`no schema named ${name}`);
    return schema;
  };

  return {
    encode(name, value) {
      const { current, header } = schemaOf(name);
      for (;;) {
        const end = current.encode(value, scratch, HEADER_BYTES);
        if (end >= 0) {
          header.copy(scratch);
          return Buffer.from(scratch.subarray(0, end));
        }
        // A negative end says by how many bytes the scratch was too short.
        scratch = Buffer.allocUnsafe((scratch.byteLength - end) * 2);
      }
    },

    decode(name, bytes) {
      const { current, header, readers } = schemaOf(name);
      if (!beginsWith(bytes, header)) return decodeOlder(bytes, readers, current);
      const { value, offset } = current.decode(bytes, HEADER_BYTES);
      if (offset !== bytes.byteLength) throw wrongLength();
      return value;
    },
  };
}

/** Compared byte by byte: nearly every record there is begins with the current schema's header. */
function beginsWith(bytes: Buffer, header: Buffer): boolean {
  for (let index = 0; index < HEADER_BYTES; index++) if (bytes[index] !== header[index]) return false;
  return true;
}

function decodeOlder(bytes: Buffer, readers: Schema['readers'], current: AvroType): unknown {
  if (bytes.byteLength < HEADER_BYTES || !MARKER.equals(bytes.subarray(0, MARKER.byteLength))) {
    throw new Error(
      `it does not begin with the Avro single-object marker (begins ${bytes.subarray(0, 4).toString('hex')})`,
    );
  }
  const fingerprint = bytes.subarray(MARKER.byteLength, HEADER_BYTES).toString('hex');
  const reader = readers.get(fingerprint);
  if (reader === undefined)
    throw new Error(`it was written with a schema that is not known here (${fingerprint})`);
  const { value, offset } = current.decode(bytes, HEADER_BYTES, reader.resolver);
  if (offset !== bytes.byteLength) throw wrongLength();
  return value;
}

const wrongLength = () => new Error('its length is not what its schema says');
