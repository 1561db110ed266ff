import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface ExternalSortOptions {
  readonly compare: (left: string, right: string) => number;
  /** How many lines are held in memory at once before a sorted run is spilled to disk. */
  readonly linesInMemory?: number;
  /** Drops lines that compare equal to the one before. */
  readonly unique?: boolean;
}

/**
 * Sorts more lines than memory holds: sorted runs on disk, then one merge (external merge sort, Knuth, The Art of
 * Computer Programming 3, 5.4). A line must not contain a line feed. Temporary files go when iteration ends,
 * however it ends.
 */
export async function* externalSort(
  lines: AsyncIterable<string>,
  options: ExternalSortOptions,
): AsyncGenerator<string> {
  const { compare, linesInMemory = 100_000, unique = false } = options;
  let folder: string | undefined;
  const runs: string[] = [];
  let buffer: string[] = [];
  try {
    for await (const line of lines) {
      buffer.push(line);
      if (buffer.length < linesInMemory) continue;
      folder ??= await mkdtemp(join(tmpdir(), 'changeover-sort-'));
      runs.push(await spill(buffer.sort(compare), join(folder, `${runs.length}.run`)));
      buffer = [];
    }
    buffer.sort(compare);
    const merged = runs.length === 0 ? buffer : merge([...runs.map(readLines), inMemory(buffer)], compare);
    let previous: string | undefined;
    for await (const line of merged) {
      if (unique && previous !== undefined && compare(previous, line) === 0) continue;
      previous = line;
      yield line;
    }
  } finally {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }
}

async function spill(sorted: readonly string[], path: string): Promise<string> {
  await pipeline(Readable.from(withLineBreaks(sorted)), createWriteStream(path));
  return path;
}

function* withLineBreaks(lines: readonly string[]): Generator<string> {
  const BATCH = 1_000;
  for (let start = 0; start < lines.length; start += BATCH) {
    yield `${lines.slice(start, start + BATCH).join('\n')}\n`;
  }
}

/** Lines end at a line feed and nowhere else; `readline` would also end them at U+2028 and at a carriage return. */
async function* readLines(path: string): AsyncGenerator<string> {
  let rest = '';
  for await (const text of createReadStream(path, { encoding: 'utf8' })) {
    const lines = (rest + String(text)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

async function* inMemory(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

/** Merges few sorted runs by looking at each head; runs are counted in tens, so a heap would not pay. */
async function* merge(
  runs: readonly AsyncIterator<string>[],
  compare: (left: string, right: string) => number,
): AsyncGenerator<string> {
  const heads: { run: AsyncIterator<string>; line: string }[] = [];
  for (const run of runs) {
    const first = await run.next();
    if (first.done !== true) heads.push({ run, line: first.value });
  }
  for (;;) {
    let smallest = heads[0];
    if (smallest === undefined) return;
    for (const head of heads) if (compare(head.line, smallest.line) < 0) smallest = head;
    yield smallest.line;
    const next = await smallest.run.next();
    if (next.done === true) heads.splice(heads.indexOf(smallest), 1);
    else smallest.line = next.value;
  }
}
