import { fieldBytes, ProtobufWriter, TAG_BYTES, varintBytes } from './protobuf.ts';
import { FLOAT_BYTES, metadataJson, type VersionedEmbedding } from './rows.ts';

/**
 * The one request that we write ourselves: `milvus.proto.milvus.UpsertRequest`. The client's own encoding takes a
 * vector apart into a number for each component, and writes them one at a time; but on the wire a packed list of floats
 * is a length and float32 little-endian, which is what an embedding carries already. So a vector is copied.
 *
 * Field numbers: https://github.com/milvus-io/milvus-proto (proto/milvus.proto, proto/schema.proto).
 * test/connectors/milvus-upsert-request.test.ts holds it against what the client writes.
 */

const REQUEST = { collectionName: 3, fieldsData: 5, numRows: 7, schemaTimestamp: 8 } as const;
const FIELD_DATA = { type: 1, fieldName: 2, scalars: 3, vectors: 4 } as const;
const SCALAR_FIELD = { longData: 3, stringData: 6, jsonData: 9 } as const;
const VECTOR_FIELD = { dim: 1, floatVector: 2 } as const;
/** In every list of values. */
const DATA = 1;

/** `milvus.proto.schema.DataType` */
export const DATA_TYPES = { Int64: 5, VarChar: 21, JSON: 23, FloatVector: 101 } as const;

export interface UpsertRequest {
  readonly collection: string;
  readonly dimension: number;
  /** When the schema that we know was last changed; 0 where the server does not say. */
  readonly schemaTimestamp: bigint;
  readonly embeddings: readonly VersionedEmbedding[];
}

/** One column: how large its values are, and how they are written. */
interface Column {
  readonly name: string;
  readonly type: number;
  readonly place: typeof FIELD_DATA.scalars | typeof FIELD_DATA.vectors;
  readonly contentBytes: number;
  write(writer: ProtobufWriter): void;
}

export function encodeUpsert({ collection, dimension, schemaTimestamp, embeddings }: UpsertRequest): Buffer {
  const columns = [
    textColumn(
      'id',
      embeddings.map(({ embedding }) => embedding.id),
    ),
    textColumn(
      'agent_id',
      embeddings.map(({ embedding }) => embedding.agentId),
    ),
    vectorColumn('vector', dimension, embeddings),
    integerColumn(
      'version',
      embeddings.map(({ version }) => version),
    ),
    jsonColumn(
      'metadata',
      embeddings.map(({ embedding }) => metadataJson(embedding.metadata)),
    ),
  ];
  const nameBytes = Buffer.byteLength(collection);
  const timestamp = bigVarint(schemaTimestamp);
  let size = fieldBytes(nameBytes) + TAG_BYTES + varintBytes(embeddings.length);
  if (schemaTimestamp > 0n) size += TAG_BYTES + timestamp.length;
  for (const column of columns) size += fieldBytes(columnBytes(column));

  const writer = new ProtobufWriter(size);
  writer.text(REQUEST.collectionName, collection, nameBytes);
  for (const column of columns) writeColumn(writer, column);
  writer.tag(REQUEST.numRows, 'varint');
  writer.varint(embeddings.length);
  if (schemaTimestamp > 0n) {
    writer.tag(REQUEST.schemaTimestamp, 'varint');
    writer.raw(timestamp);
  }
  return writer.finished();
}

function columnBytes({ name, type, contentBytes }: Column): number {
  return TAG_BYTES + varintBytes(type) + fieldBytes(Buffer.byteLength(name)) + fieldBytes(contentBytes);
}

function writeColumn(writer: ProtobufWriter, column: Column): void {
  writer.open(REQUEST.fieldsData, columnBytes(column));
  writer.tag(FIELD_DATA.type, 'varint');
  writer.varint(column.type);
  writer.text(FIELD_DATA.fieldName, column.name, Buffer.byteLength(column.name));
  writer.open(column.place, column.contentBytes);
  column.write(writer);
}

function textColumn(name: string, texts: readonly string[]): Column {
  return listOfTexts(name, DATA_TYPES.VarChar, SCALAR_FIELD.stringData, texts);
}

/** JSON is bytes, written like text. */
function jsonColumn(name: string, texts: readonly string[]): Column {
  return listOfTexts(name, DATA_TYPES.JSON, SCALAR_FIELD.jsonData, texts);
}

function listOfTexts(name: string, type: number, list: number, texts: readonly string[]): Column {
  const sizes = texts.map((text) => Buffer.byteLength(text));
  const bytes = sizes.reduce((sum, size) => sum + fieldBytes(size), 0);
  return {
    name,
    type,
    place: FIELD_DATA.scalars,
    contentBytes: fieldBytes(bytes),
    write(writer) {
      writer.open(list, bytes);
      for (const [index, text] of texts.entries()) writer.text(DATA, text, sizes[index] ?? 0);
    },
  };
}

function integerColumn(name: string, values: readonly number[]): Column {
  const packed = values.reduce((sum, value) => sum + varintBytes(value), 0);
  return {
    name,
    type: DATA_TYPES.Int64,
    place: FIELD_DATA.scalars,
    contentBytes: fieldBytes(fieldBytes(packed)),
    write(writer) {
      writer.open(SCALAR_FIELD.longData, fieldBytes(packed));
      writer.open(DATA, packed);
      for (const value of values) writer.varint(value);
    },
  };
}

function vectorColumn(name: string, dimension: number, embeddings: readonly VersionedEmbedding[]): Column {
  const packed = embeddings.length * dimension * FLOAT_BYTES;
  return {
    name,
    type: DATA_TYPES.FloatVector,
    place: FIELD_DATA.vectors,
    contentBytes: TAG_BYTES + varintBytes(dimension) + fieldBytes(fieldBytes(packed)),
    write(writer) {
      writer.tag(VECTOR_FIELD.dim, 'varint');
      writer.varint(dimension);
      writer.open(VECTOR_FIELD.floatVector, fieldBytes(packed));
      writer.open(DATA, packed);
      for (const { embedding } of embeddings) writer.raw(embedding.vector);
    },
  };
}

/** Timestamps of Milvus have 64 bits. */
function bigVarint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Uint8Array.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}
