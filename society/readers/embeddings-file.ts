import { endianness } from 'node:os';
import type { Embedding } from '../../schemas/change.ts';
import { entityFault } from '../../schemas/entity-fault.ts';
import type { MemoryRow } from '../legacy-shapes.ts';
import { type Located, readNdjsonFile } from './ndjson-file.ts';
import type { OnRejected, Parsed } from './parsed.ts';

/** Among so many rows at the start of a file, the dimension that most have is the file's. */
const HEAD_ROWS = 100;

/**
 * Reads a file of memories: a JSON object a line with `id`, `agentId`, `text`, `model` and `vector` (base64 of float32,
 * little-endian). A vector of another dimension than most at the start of the file is rejected.
 */
export async function* readEmbeddingsFile(path: string, onRejected: OnRejected): AsyncGenerator<MemoryRow> {
  let dimension: number | undefined;
  let head: Located<MemoryRow>[] = [];
  for await (const located of readNdjsonFile(path, parseMemory, onRejected)) {
    head.push(located);
    if (dimension === undefined && head.length < HEAD_ROWS) continue;
    dimension ??= commonDimension(head);
    yield* ofDimension(head, dimension, onRejected);
    head = [];
  }
  yield* ofDimension(head, dimension ?? commonDimension(head), onRejected);
}

function commonDimension(rows: readonly Located<MemoryRow>[]): number {
  const votes = new Map<number, number>();
  for (const { row } of rows) votes.set(row.vector.length, (votes.get(row.vector.length) ?? 0) + 1);
  const [winner] = [...votes].toSorted(([, left], [, right]) => right - left);
  return winner?.[0] ?? 0;
}

function* ofDimension(
  rows: readonly Located<MemoryRow>[],
  dimension: number,
  onRejected: OnRejected,
): Generator<MemoryRow> {
  for (const { row, where } of rows) {
    if (row.vector.length === dimension) yield row;
    else {
      const found = `has ${row.vector.length} dimensions, the file's vectors have ${dimension}`;
      onRejected({ where, reason: `the vector of ${row.id} ${found}` });
    }
  }
}

function parseMemory(record: Readonly<Record<string, unknown>>): Parsed<MemoryRow> {
  const { id, agentId, text, model, vector } = record;
  if (typeof text !== 'string') return { fault: 'text is not a string' };
  if (typeof vector !== 'string') return { fault: 'vector is not a string' };
  const bytes = Buffer.from(vector, 'base64');
  // Node's decoder skips whatever is not base64; only what it would write itself is taken.
  if (bytes.toString('base64') !== vector) return { fault: 'vector is not base64' };
  if (bytes.length % 4 !== 0)
    return { fault: `vector has ${bytes.length} bytes, which is no number of float32` };
  const embedding = {
    id,
    agentId,
    vector: bytes,
    dimension: bytes.length / 4,
    space: { model, revision: '', metric: 'cosine', normalised: true },
    metadata: { text },
  } as Embedding;
  const fault = entityFault('embedding', embedding);
  if (fault !== undefined) return { fault };
  return {
    row: {
      id: embedding.id,
      agentId: embedding.agentId,
      text,
      model: embedding.space.model,
      vector: toFloats(bytes),
    },
  };
}

function toFloats(bytes: Buffer): Float32Array {
  if (endianness() === 'BE') bytes.swap32();
  const floats = new Float32Array(bytes.length / 4);
  new Uint8Array(floats.buffer).set(bytes);
  return floats;
}
