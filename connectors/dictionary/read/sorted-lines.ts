import type { FileHandle } from 'node:fs/promises';
import { ChangeoverError } from '../../../core/errors.ts';
import { forEachLimited } from '../../../core/sequence.ts';
import type { ScanKey } from '../../../schemas/keys.ts';
import { compareScanKeys } from '../../../schemas/scan-order.ts';
import { Cursor } from './cursor.ts';

const NEWLINE = 0x0a;
const SMALLEST_BLOCK_BYTES = 4 * 1024;
/** However big the file: bounds what the top level costs to a few megabytes. */
const MOST_BLOCKS = 32 * 1024;
const READS_AT_ONCE = 8;

export interface SortedLinesOptions<T> {
  readonly path: string;
  /** Where the first line begins. */
  readonly start?: number;
  readonly end: number;
  readonly parse: (line: string) => T;
  readonly keyOf: (record: T) => ScanKey;
}

interface Block {
  readonly first: ScanKey;
  readonly offset: number;
}

/**
 * A file of lines in the order of their keys, each key once or more, that is never read into memory as a whole: every
 * so many bytes the key of a line is known (the sparse top level), and between two of those lies a block that is read
 * when it is needed.
 */
export class SortedLines<T> {
  readonly #file: FileHandle;
  readonly #options: SortedLinesOptions<T>;
  readonly #blocks: readonly Block[];

  private constructor(file: FileHandle, options: SortedLinesOptions<T>, blocks: readonly Block[]) {
    this.#file = file;
    this.#options = options;
    this.#blocks = blocks;
  }

  static async open<T>(file: FileHandle, options: SortedLinesOptions<T>): Promise<SortedLines<T>> {
    const { start = 0, end } = options;
    const blockBytes = Math.max(SMALLEST_BLOCK_BYTES, Math.ceil((end - start) / MOST_BLOCKS));
    const blocks: Block[] = [];
    for (let offset = start; offset < end; ) {
      const line = await lineAt(file, offset, end);
      blocks.push({ first: options.keyOf(parsed(options, line, offset)), offset });
      offset = await nextLineStart(file, offset + blockBytes, end);
    }
    return new SortedLines(file, options, blocks);
  }

  /** Everything from the first key that is not before `from`. */
  cursor(from: ScanKey | null): Cursor<T> {
    const lines = this;
    async function* batches(): AsyncGenerator<readonly T[]> {
      let block = from === null ? 0 : lines.#firstBlockFor(from);
      for (; block < lines.#blocks.length; block++) {
        const records = (await lines.#read(block)).map((line, at) => lines.#parse(line, block, at));
        yield from === null
          ? records
          : records.filter((record) => compareScanKeys(lines.#options.keyOf(record), from) >= 0);
      }
    }
    return new Cursor(batches());
  }

  /** All records of each key. The keys must be in order; blocks that several of them need are read once. */
  async find(keys: readonly ScanKey[]): Promise<readonly (readonly T[])[]> {
    const found: (readonly T[])[] = keys.map(() => []);
    const wanted: { readonly block: number; readonly indexes: number[] }[] = [];
    for (const [index, key] of keys.entries()) {
      const block = this.#firstBlockFor(key);
      const last = wanted.at(-1);
      if (last?.block === block) last.indexes.push(index);
      else wanted.push({ block, indexes: [index] });
    }
    await forEachLimited(wanted, READS_AT_ONCE, async ({ block, indexes }) => {
      const lines = this.#blocks.length === 0 ? [] : await this.#read(block);
      for (const index of indexes) found[index] = await this.#within(keys[index] ?? [], lines, block);
    });
    return found;
  }

  async #within(key: ScanKey, lines: readonly string[], block: number): Promise<readonly T[]> {
    const { keyOf } = this.#options;
    let low = 0;
    let high = lines.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const record = this.#parse(lines[middle] ?? '', block, middle);
      if (compareScanKeys(keyOf(record), key) < 0) low = middle + 1;
      else high = middle;
    }
    const records: T[] = [];
    for (let at = low; at < lines.length; at++) {
      const record = this.#parse(lines[at] ?? '', block, at);
      if (compareScanKeys(keyOf(record), key) !== 0) return records;
      records.push(record);
    }
    // A key's records may go on in the next block.
    const next = this.#blocks[block + 1];
    if (next === undefined || compareScanKeys(next.first, key) > 0) return records;
    return [...records, ...(await this.#within(key, await this.#read(block + 1), block + 1))];
  }

  /** The block in which the first record of a key lies, if there is one. */
  #firstBlockFor(key: ScanKey): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareScanKeys(this.#blocks[middle]?.first ?? [], key) < 0) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  async #read(block: number): Promise<readonly string[]> {
    const offset = this.#blocks[block]?.offset ?? this.#options.end;
    const end = this.#blocks[block + 1]?.offset ?? this.#options.end;
    const bytes = await readExactly(this.#file, offset, end - offset);
    const lines = bytes.toString('utf8').split('\n');
    if (lines.at(-1) === '') lines.pop();
    return lines;
  }

  #parse(line: string, block: number, at: number): T {
    return parsed(this.#options, line, this.#blocks[block]?.offset ?? 0, at);
  }
}

function parsed<T>({ parse, path }: SortedLinesOptions<T>, line: string, offset: number, linesOn = 0): T {
  try {
    return parse(line);
  } catch (cause) {
    throw new ChangeoverError('mismatch', `${path} is damaged ${linesOn} lines after byte ${offset}.`, {
      cause,
      hint: 'Restore it, with the dictionary and its journal, from a copy of the same moment.',
    });
  }
}

async function readExactly(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(bytes, 0, length, offset);
  return bytes.subarray(0, bytesRead);
}

const PEEK_BYTES = 1024;

/** The place of the next line break at or after `offset`, or the end. */
async function newlineFrom(file: FileHandle, offset: number, end: number): Promise<number> {
  for (let at = offset, step = PEEK_BYTES; at < end; at += step, step *= 2) {
    const found = (await readExactly(file, at, Math.min(step, end - at))).indexOf(NEWLINE);
    if (found >= 0) return at + found;
  }
  return end;
}

async function nextLineStart(file: FileHandle, offset: number, end: number): Promise<number> {
  return Math.min(end, (await newlineFrom(file, offset - 1, end)) + 1);
}

async function lineAt(file: FileHandle, offset: number, end: number): Promise<string> {
  const length = (await newlineFrom(file, offset, end)) - offset;
  return (await readExactly(file, offset, length)).toString('utf8');
}

/** A line ends at a line feed; `\v`, its neighbour, stands for it, and so has to be told from itself. */
const IN_THE_WAY = /[\n\v]/g;

/**
 * Parts of a key as one text without line feeds that sorts (by code point, core/text.ts) as the parts do. NUL, which
 * no part contains, ends each, so that a part that is the start of another comes first.
 */
export function sortPrefix(parts: readonly string[]): string {
  return parts.map((part) => `${part.replace(IN_THE_WAY, harmless)}\u0000`).join('');
}

function harmless(character: string): string {
  return character === '\n' ? '\v1' : '\v2';
}

/** A line for `externalSort`: what it sorts by, then what it carries. */
export function sortLine(parts: readonly string[], json: string): string {
  return `${sortPrefix(parts)}\u0000${json}`;
}

/** What a line carries. Nothing but the end of the sort key has two NULs in a row, because no part but the first is empty. */
export function carriedBy(line: string): string {
  return line.slice(line.indexOf('\u0000\u0000') + 2);
}
