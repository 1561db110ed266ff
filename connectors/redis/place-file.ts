import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { chunkedAsync } from '../../core/sequence.ts';
import type { ScanKey } from '../../schemas/keys.ts';
import { compareScanKeys, type ScanRange } from '../../schemas/scan-order.ts';
import { type Found, fromLine, placeIn } from './place-lines.ts';

/** Entries of the index in memory at most; with more lines, each entry stands for a longer stretch of the file. */
const MAX_ENTRIES = 8_192;
const LINES_PER_WRITE = 1_000;

interface Entry {
  /** The first line of the stretch. */
  readonly line: string;
  readonly offset: number;
}

/** An enumeration on disk: sorted lines (place-lines.ts), with an index in memory to begin anywhere. */
export class PlaceFile {
  readonly #path: string;
  readonly #entries: readonly Entry[];

  private constructor(path: string, entries: readonly Entry[]) {
    this.#path = path;
    this.#entries = entries;
  }

  static async write(path: string, lines: AsyncIterable<string>): Promise<PlaceFile> {
    const file = await open(path, 'wx', 0o600);
    try {
      return new PlaceFile(path, await writeLines(file, lines));
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
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
    for await (const lines of readLines(this.#path, start)) {
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

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

async function writeLines(file: FileHandle, lines: AsyncIterable<string>): Promise<readonly Entry[]> {
  let entries: Entry[] = [];
  let stretch = 1;
  let count = 0;
  let offset = 0;
  for await (const batch of chunkedAsync(lines, LINES_PER_WRITE)) {
    await file.appendFile(`${batch.join('\n')}\n`);
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

async function* readLines(path: string, start: number): AsyncGenerator<readonly string[]> {
  let rest = '';
  for await (const text of createReadStream(path, { start, encoding: 'utf8' })) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (lines.length > 0) yield lines;
  }
}
