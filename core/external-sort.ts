import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ChangeoverError, type ErrorCode, messageOf, systemCodeOf } from './errors.ts';

export interface ExternalSortOptions {
  readonly compare: (left: string, right: string) => number;
  /** How many lines are held in memory at once before a sorted run is spilled to disk. */
  readonly linesInMemory?: number;
  /** Drops lines that compare equal to the one before. */
  readonly unique?: boolean;
  /** Where temporary files go; the system's folder for them (TMPDIR) unless told. */
  readonly folder?: string;
}

/**
 * Sorts more lines than memory holds: sorted runs on disk, then one merge (external merge sort, Knuth, The Art of
 * Computer Programming 3, 5.4). A line must not contain a line feed. Temporary files go when iteration ends,
 * however it ends.
 *
 * Throws `no-space` where the disk is full and `config` where the folder cannot be used. What `lines` throws stays as
 * it is.
 */
export async function* externalSort(
  lines: AsyncIterable<string>,
  options: ExternalSortOptions,
): AsyncGenerator<string> {
  const { compare, linesInMemory = 100_000, unique = false, folder = tmpdir() } = options;
  let own: string | undefined;
  const runs: string[] = [];
  let buffer: string[] = [];
  try {
    for await (const line of lines) {
      buffer.push(line);
      if (buffer.length < linesInMemory) continue;
      const sorted = buffer.sort(compare);
      await onTemporaryFiles(folder, async () => {
        own ??= await mkdtemp(join(folder, 'changeover-sort-'));
        runs.push(await spill(sorted, join(own, `${runs.length}.run`)));
      });
      buffer = [];
    }
    buffer.sort(compare);
    const spilled = runs.map((run) => readLines(run, folder));
    const merged = runs.length === 0 ? buffer : merge([...spilled, inMemory(buffer)], compare);
    let previous: string | undefined;
    for await (const line of merged) {
      if (unique && previous !== undefined && compare(previous, line) === 0) continue;
      previous = line;
      yield line;
    }
  } finally {
    if (own !== undefined) await rm(own, { recursive: true, force: true });
  }
}

/** What the system says of a folder for temporary files, in our words. */
const FOLDER_FAULTS: Readonly<Record<string, { readonly code: ErrorCode; readonly says: string }>> = {
  ENOSPC: { code: 'no-space', says: 'is full' },
  EDQUOT: { code: 'no-space', says: 'is full: the quota is used up' },
  ENOENT: { code: 'config', says: 'is not there' },
  ENOTDIR: { code: 'config', says: 'is no folder' },
  EACCES: { code: 'config', says: 'must not be written' },
  EPERM: { code: 'config', says: 'must not be written' },
  EROFS: { code: 'config', says: 'is on a disk that is read-only' },
};

/** Work on temporary files. Throws `no-space` or `config` where their folder is at fault. */
export async function onTemporaryFiles<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw temporaryFileError(error, folder);
  }
}

function temporaryFileError(error: unknown, folder: string): unknown {
  const fault = FOLDER_FAULTS[systemCodeOf(error) ?? ''];
  if (error instanceof ChangeoverError || fault === undefined) return error;
  const { code, says } = fault;
  const isFull = code === 'no-space';
  const message = `The folder for temporary files, ${folder}, ${says}: ${messageOf(error)}`;
  const mend = isFull ? 'Free space there' : 'Make it one that this user can write';
  const another = folder === tmpdir() ? 'name another in the environment variable TMPDIR' : 'name another';
  // Somebody may make room; a folder that cannot be used stays so.
  return new ChangeoverError(code, message, {
    hint: `${mend}, or ${another}.`,
    retryable: isFull,
    cause: error,
  });
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
async function* readLines(path: string, folder: string): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const text of createReadStream(path, { encoding: 'utf8' })) {
      const lines = (rest + String(text)).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } catch (error) {
    throw temporaryFileError(error, folder);
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
