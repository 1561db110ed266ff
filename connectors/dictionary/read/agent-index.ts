import type { FileHandle } from 'node:fs/promises';
import { externalSort } from '../../../core/external-sort.ts';
import { chunkedAsync } from '../../../core/sequence.ts';
import { compareCodePoints, textFault } from '../../../core/text.ts';
import type { ScanKey } from '../../../schemas/keys.ts';
import { parseJsonExactly } from '../exact-json.ts';
import { openNamelessFile, type Span } from './base-file.ts';
import { IdSet } from './id-set.ts';
import type { ScanEvent } from './member-parser.ts';
import { type BaseAndVersions, membersOf } from './members.ts';
import { carriedBy, SortedLines, sortLine } from './sorted-lines.ts';

/** Where a member of the base stands. */
export interface IndexEntry extends Span {
  /** Empty for what has no usable id. */
  readonly id: string;
  readonly keyOffset: number;
  readonly line: number;
  /** Why it cannot be read at all, where that showed before its value was looked at. */
  readonly reason: string | undefined;
}

/** How much of the base lies before an agent, for dividing the work. */
export interface IndexMark {
  readonly id: string;
  readonly agentsBefore: number;
  readonly bytesBefore: number;
}

export interface AgentIndexOptions {
  readonly temporaryFolder: string | undefined;
  readonly maxAgentBytes: number;
}

const MOST_MARKS = 2048;
const LINES_A_WRITE = 500;
/** Of about 200 bytes each. */
const LINES_IN_MEMORY = 20_000;

/**
 * The base's members in the order of their ids, on disk (a temporary file), with what fits in memory of them: a hash of
 * each id and every so-manieth place. Members of one id stand in the order of the file.
 */
export class AgentIndex {
  /** Sorted by id; several with one id are duplicates, the first of which counts. */
  readonly lines: SortedLines<IndexEntry>;
  readonly ids: IdSet;
  readonly marks: readonly IndexMark[];
  readonly bytes: number;
  readonly #file: FileHandle;

  private constructor(file: FileHandle, lines: SortedLines<IndexEntry>, found: Found) {
    this.#file = file;
    this.lines = lines;
    this.ids = found.ids;
    this.marks = found.marks;
    this.bytes = found.bytes;
  }

  static async build(from: BaseAndVersions, options: AgentIndexOptions): Promise<AgentIndex> {
    const file = await openNamelessFile(options.temporaryFolder);
    try {
      const found: Found = { ids: new IdSet(), members: 0, marks: [], bytes: 0 };
      const end = await writeIndex(file, membersToSort(from, options.maxAgentBytes, found), found);
      const path = `the index of ${from.base.path}`;
      const lines = await SortedLines.open(file, { path, end, parse: parseEntry, keyOf: entryKey });
      return new AgentIndex(file, lines, found);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

interface Found {
  readonly ids: IdSet;
  members: number;
  marks: IndexMark[];
  bytes: number;
}

function entryKey({ id }: IndexEntry): ScanKey {
  return [id];
}

function parseEntry(line: string): IndexEntry {
  const [id, offset, length, keyOffset, at, reason] = JSON.parse(line) as [
    string,
    number,
    number,
    number,
    number,
    string | null,
  ];
  return { id, offset, length, keyOffset, line: at, reason: reason ?? undefined };
}

/** The id that a key names, or why it names none. */
export function readId(key: Buffer): { readonly id: string } | { readonly reason: string } {
  let id: unknown;
  try {
    id = parseJsonExactly(key.toString('utf8'));
  } catch {
    return { reason: 'its id is no JSON text' };
  }
  if (typeof id !== 'string' || id === '') return { reason: 'its id is empty' };
  if (id.includes('\ufffd') && !key.equals(Buffer.from(key.toString('utf8'))))
    return { reason: 'its id is not valid UTF-8' };
  const fault = textFault(id);
  return fault === undefined ? { id } : { reason: `its id ${fault}` };
}

const OPEN_OBJECT = 0x7b;

async function* membersToSort(
  from: BaseAndVersions,
  maxAgentBytes: number,
  found: Found,
): AsyncGenerator<string> {
  const line = (id: string, event: ScanEvent, reason: string | undefined): string => {
    found.members++;
    const [offset, length, keyOffset] =
      event.type === 'member'
        ? [event.valueOffset, event.valueLength, event.keyOffset]
        : [event.offset, 0, event.offset];
    const fields = [id, offset, length, keyOffset, event.line, reason];
    return sortLine([id, String(keyOffset).padStart(16, '0')], JSON.stringify(fields));
  };
  for await (const events of membersOf(from, maxAgentBytes)) {
    for (const event of events) {
      if (event.type === 'damage') {
        yield line('', event, event.reason);
        continue;
      }
      const read = readId(event.key);
      if ('reason' in read) {
        yield line('', event, read.reason);
        continue;
      }
      if (event.value === undefined)
        yield line(read.id, event, `it is ${event.valueLength} bytes long, more than ${maxAgentBytes}`);
      else yield line(read.id, event, undefined);
      if (event.value === undefined || event.value[0] === OPEN_OBJECT) found.ids.add(read.id);
    }
  }
}

async function writeIndex(file: FileHandle, toSort: AsyncIterable<string>, found: Found): Promise<number> {
  let end = 0;
  let written = 0;
  const sorted = externalSort(toSort, { compare: compareCodePoints, linesInMemory: LINES_IN_MEMORY });
  for await (const lines of chunkedAsync(sorted, LINES_A_WRITE)) {
    const carried = lines.map(carriedBy);
    for (const line of carried) {
      const { id, length } = parseEntry(line);
      if (written % Math.ceil(found.members / MOST_MARKS) === 0)
        found.marks.push({ id, agentsBefore: written, bytesBefore: found.bytes });
      written++;
      found.bytes += length;
    }
    const bytes = Buffer.from(`${carried.join('\n')}\n`);
    await file.writeFile(bytes);
    end += bytes.byteLength;
  }
  return end;
}
