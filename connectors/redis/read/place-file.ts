import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { onTemporaryFiles } from '../../../core/external-sort.ts';
import { chunkedAsync } from '../../../core/sequence.ts';
import type { Closable } from '../../../core/service.ts';
import type { ScanKey } from '../../../schemas/keys.ts';
import { compareScanKeys, type ScanRange } from '../../../schemas/scan-order.ts';
import { type Found, fromLine, placeIn } from './place-lines.ts';

/** Entries of the index in memory at most; with more lines, each entry stands for a longer stretch of the file. */
const MAX_ENTRIES = 8_192;
const LINES_PER_WRITE = 1_000;
const BYTES_PER_READ = 64 * 1024;

interface Entry {
  /** The first line of the stretch. */
  readonly line: string;
  readonly offset: number;
}

/**
 * An enumeration on disk: sorted lines (place-lines.ts), with an index in memory to begin anywhere. The file has no name
 * any more once it is open, so that nothing stays behind, however this process ends.
 */
export class PlaceFile implements Closable {
  readonly #file: FileHandle;
  readonly #entries: readonly Entry[];

  private constructor(file: FileHandle, entries: readonly Entry[]) {
    this.#file = file;
    this.#entries = entries;
  }

  /** Throws `no-space` or `config` where the folder for temporary files is at fault. */
  static async write(lines: AsyncIterable<string>): Promise<PlaceFile> {
    const file = await onTemporaryFiles(tmpdir(), openNameless);
    try {
      return new PlaceFile(file, await writeLines(file, lines));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Places that part the file into about so many stretches of about equal length, each the last of its stretch. */
  boundaries(parts: number): readonly ScanKey[] {
    const places: ScanKey[] = [];
    for (let part = 1; part < parts; part++) {
      const entry = this.#entries[Math.floor((part * this.#entries.length) / parts)];
      const place = entry === undefined ? undefined : placeIn(entry.line);
      const previous = places.at(-1);
      if (place === undefined || (previous !== undefined && compareScanKeys(place, previous) <= 0)) continue;
      places.push(place);
    }
    return places;
  }

  /** What lies in the range, some lines at a time. */
  async *read({ after, until }: ScanRange): AsyncGenerator<readonly Found[]> {
    const start = after === null ? 0 : this.#offsetBefore(after);
    for await (const lines of readLines(this.#file, start)) {
      const found: Found[] = [];
      for (const line of lines) {
        const item = fromLine(line);
        if (after !== null && compareScanKeys(item.place, after) <= 0) continue;
        if (until !== null && compareScanKeys(item.place, until) > 0) {
          yield found;
          return;
        }
        found.push(item);
      }
      yield found;
    }
  }

  #offsetBefore(place: ScanKey): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle];
      if (entry !== undefined && compareScanKeys(placeIn(entry.line), place) <= 0) low = middle + 1;
      else high = middle;
    }
    return this.#entries[low - 1]?.offset ?? 0;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function openNameless(): Promise<FileHandle> {
  const path = join(tmpdir(), `changeover-redis-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function writeLines(file: FileHandle, lines: AsyncIterable<string>): Promise<readonly Entry[]> {
  let entries: Entry[] = [];
  let stretch = 1;
  let count = 0;
  let offset = 0;
  for await (const batch of chunkedAsync(lines, LINES_PER_WRITE)) {
    await onTemporaryFiles(tmpdir(), () => file.appendFile(`${batch.join('\n')}\n`));
    for (const line of batch) {
      if (count++ % stretch === 0) entries.push({ line, offset });
      offset += Buffer.byteLength(line) + 1;
      if (entries.length < MAX_ENTRIES) continue;
      entries = entries.filter((_, index) => index % 2 === 0);
      stretch *= 2;
    }
  }
  return entries;
}

async function* readLines(file: FileHandle, start: number): AsyncGenerator<readonly string[]> {
  const buffer = Buffer.allocUnsafe(BYTES_PER_READ);
  // A character may begin in one read and end in the next.
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for (let position = start; ; ) {
    const { bytesRead } = await file.read(buffer, 0, BYTES_PER_READ, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    const lines = (rest + decoder.write(buffer.subarray(0, bytesRead))).split('\n');
    rest = lines.pop() ?? '';
    if (lines.length > 0) yield lines;
  }
}
