import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { endianness } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { isNegativeZero, toJson } from '../../core/json.ts';
import { type LegacyAgent, type MemoryRow, tiesOf } from '../legacy-shapes.ts';
import { fileBytes } from '../readers/file-bytes.ts';
import type { Society, SocietyCounts } from '../society.ts';

export type DictionaryCounts = Pick<SocietyCounts, 'agents' | 'relationships'>;

/**
 * Writes a society's agents as the legacy dictionary file: one JSON object, one agent a line. Where the society was
 * read from such a file, its bytes are copied (decompressed), so that whatever is wrong with them is still there. The file
 * appears when it is complete. Counts what can be read.
 */
export async function writeDictionary(society: Society, path: string): Promise<DictionaryCounts> {
  const counts = { agents: 0, relationships: 0 };
  const counted = countedAgents(society.agents(), counts);
  if (society.dictionaryFile === null) {
    await writeWhole(path, dictionaryText(counted));
  } else {
    // What is damaged is reported by the walk that counts.
    await writeWhole(
      path,
      fileBytes(society.dictionaryFile, () => undefined),
    );
    for await (const _ of counted);
  }
  return counts;
}

/** Writes a society in the formats of the society files, compressed, so that it can be opened again. */
export async function writeSocietyFiles(society: Society, folder: string): Promise<DictionaryCounts> {
  await writeWhole(join(folder, 'embeddings.ndjson.gz'), linesOfMemories(society.memories()));
  await writeWhole(join(folder, 'rl.ndjson.gz'), linesOf(society.learning()));
  return writeDictionary(society, join(folder, 'dictionary.json.gz'));
}

async function* countedAgents(
  agents: AsyncIterable<LegacyAgent>,
  counts: { agents: number; relationships: number },
): AsyncGenerator<LegacyAgent> {
  for await (const agent of agents) {
    counts.agents++;
    counts.relationships += tiesOf(agent).reduce((count) => count + 1, 0);
    yield agent;
  }
}

async function* dictionaryText(agents: AsyncIterable<LegacyAgent>): AsyncGenerator<string> {
  let separator = '{\n';
  for await (const agent of agents) {
    yield `${separator}${JSON.stringify(agent.id)}:${agentJson(agent)}`;
    separator = ',\n';
  }
  yield separator === '{\n' ? '{}\n' : '\n}\n';
}

/** `toJson` looks at every value one by one, which takes longer than making the agent; −0 is rare. */
function agentJson(agent: LegacyAgent): string {
  const numbers = [...Object.values(agent.attributes), ...Object.values(agent.memory.relationships)];
  return numbers.some(isNegativeZero) ? toJson(agent) : JSON.stringify(agent);
}

async function* linesOf(rows: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const row of rows) yield `${toJson(row)}\n`;
}

async function* linesOfMemories(memories: AsyncIterable<MemoryRow>): AsyncGenerator<string> {
  for await (const memory of memories) yield `${toJson({ ...memory, vector: toBase64(memory.vector) })}\n`;
}

function toBase64(vector: Float32Array): string {
  const bytes = Buffer.from(vector.slice().buffer);
  return (endianness() === 'BE' ? bytes.swap32() : bytes).toString('base64');
}

/** Writes beside the file first, so that nobody ever reads half of it. A name that ends in `.gz` is compressed. */
async function writeWhole(path: string, chunks: AsyncIterable<string | Buffer>): Promise<void> {
  const unfinished = `${path}.unfinished`;
  await mkdir(dirname(path), { recursive: true });
  try {
    const source = Readable.from(joined(chunks), { objectMode: false });
    if (path.endsWith('.gz')) await pipeline(source, createGzip(), createWriteStream(unfinished));
    else await pipeline(source, createWriteStream(unfinished));
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

const CHUNK_CHARACTERS = 64 * 1024;

/** Joins short texts, because every chunk of a stream costs something. */
async function* joined(chunks: AsyncIterable<string | Buffer>): AsyncGenerator<string | Buffer> {
  let text = '';
  for await (const chunk of chunks) {
    if (typeof chunk !== 'string') {
      yield chunk;
      continue;
    }
    text += chunk;
    if (text.length < CHUNK_CHARACTERS) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}
