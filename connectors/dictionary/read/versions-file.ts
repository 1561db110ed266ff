import type { FileHandle } from 'node:fs/promises';
import { ChangeoverError } from '../../../core/errors.ts';
import { isRecord, toJson, tryParseJson } from '../../../core/json.ts';
import type { EntityOf, Scalars } from '../../../schemas/change.ts';
import type { ScanKey } from '../../../schemas/keys.ts';
import type { DictionaryKind } from '../dictionary-kinds.ts';
import { translated } from '../errors.ts';
import type { FilePrint } from '../journal/file-writer.ts';
import { openIfThere } from '../paths.ts';
import { SortedLines } from './sorted-lines.ts';

/**
 * `<file>.versions`: what the legacy shape has no place for. JSON lines, sorted, at most one for each key:
 *
 *     {"changeover":"dictionary-versions","format":2,"generation","base":{"bytes","checksum"}}
 *     ["agent", id, version, 0]                        the dictionary holds it
 *     ["agent", id, version, 1]                        a tombstone
 *     ["relationship", source, type, target, version, 0 | 1]
 *     ["relationship", source, type, target, version | null, {"strength", "since", "properties"}]
 *
 * The last form is a relationship whose source is not there, or is nothing that could hold it: it lives here until it is.
 *
 * The header says to what it belongs: the content of the base that was written with it, beside any other of which a
 * version could be newer than the content that it labels; and the generation of the journals that follow. (Format 1 said
 * neither.)
 */
const FORMAT = 2;

/** To what a versions file belongs. */
export interface Belonging {
  readonly generation: number;
  readonly base: FilePrint;
}

export function versionsHeader({ generation, base }: Belonging): string {
  return `${JSON.stringify({ changeover: 'dictionary-versions', format: FORMAT, generation, base })}\n`;
}

export type TieContent = Pick<EntityOf['relationship'], 'strength' | 'since' | 'properties'>;

export interface VersionLine {
  /** Kind, then the scan key: `agent` sorts before `relationship`. */
  readonly place: ScanKey;
  readonly version: number | null;
  readonly deleted: boolean;
  readonly content: TieContent | null;
}

export function agentPlace(id: string): ScanKey {
  return ['agent', id];
}

type TieIdentity = Pick<EntityOf['relationship'], 'source' | 'type' | 'target'>;

export function tiePlace({ source, type, target }: TieIdentity): ScanKey {
  return ['relationship', source, type, target];
}

/** All lines of a kind that belong to an agent lie from here on. */
export function placeOf(kind: DictionaryKind, id: string): ScanKey {
  return [kind, id];
}

export function lineOf({ place, version, deleted, content }: VersionLine): string {
  const state = content ?? (deleted ? 1 : 0);
  return toJson([...place, version, state]);
}

export function contentOf({ strength, since, properties }: TieContent): TieContent {
  return { strength, since, properties };
}

export function tieOf({ place, content }: VersionLine): EntityOf['relationship'] | undefined {
  if (content === null) return undefined;
  const [, source, type, target] = place;
  return { source: String(source), type: String(type), target: String(target), ...content };
}

export function parseLine(line: string): VersionLine {
  const parts = JSON.parse(line) as unknown;
  if (!Array.isArray(parts)) throw new Error('not a list');
  const state = parts.pop() as unknown;
  const version = parts.pop() as unknown;
  const place = parts as string[];
  if (place.length !== (place[0] === 'agent' ? 2 : 4)) throw new Error('not a key');
  if (version !== null && !Number.isSafeInteger(version)) throw new Error('not a version');
  const content = isRecord(state)
    ? (state as { strength: number; since: number | null; properties: Scalars })
    : null;
  return { place, version: version as number | null, deleted: state === 1, content };
}

/** The versions beside one state of the dictionary, open for reading. */
export class VersionsFile implements Belonging {
  readonly generation: number;
  readonly base: FilePrint;
  readonly bytes: number;
  readonly lines: SortedLines<VersionLine>;
  readonly #handle: FileHandle;

  private constructor(
    handle: FileHandle,
    { generation, base, bytes, lines }: Pick<VersionsFile, 'generation' | 'base' | 'bytes' | 'lines'>,
  ) {
    this.#handle = handle;
    this.generation = generation;
    this.base = base;
    this.bytes = bytes;
    this.lines = lines;
  }

  /** Undefined where there is none. */
  static async open(path: string): Promise<VersionsFile | undefined> {
    return translated(`read ${path}`, async () => {
      const handle = await openIfThere(path);
      if (handle === undefined) return undefined;
      try {
        const { size: end } = await handle.stat();
        const { start, ...belonging } = await readHeader(handle, path);
        const keyOf = ({ place }: VersionLine) => place;
        const lines = await SortedLines.open(handle, { path, start, end, parse: parseLine, keyOf });
        return new VersionsFile(handle, { ...belonging, bytes: end, lines });
      } catch (error) {
        await handle.close();
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

interface Header extends Belonging {
  /** Where the lines begin. */
  readonly start: number;
}

async function readHeader(handle: FileHandle, path: string): Promise<Header> {
  const bytes = Buffer.alloc(256);
  const { bytesRead } = await handle.read(bytes, 0, bytes.byteLength, 0);
  const end = bytes.subarray(0, bytesRead).indexOf(0x0a);
  const header = tryParseJson(bytes.subarray(0, Math.max(0, end)).toString('utf8'));
  if (!isRecord(header) || header.changeover !== 'dictionary-versions') {
    throw new ChangeoverError('mismatch', `${path} is no versions file of Changeover.`, {
      hint: 'Move it away, or restore it with the dictionary and its journal from a copy of the same moment.',
    });
  }
  if (header.format !== FORMAT) {
    throw new ChangeoverError(
      'unsupported',
      `${path} has format ${String(header.format)}; this version knows ${FORMAT}.`,
      {
        hint: 'Use the version of Changeover that wrote it, or a newer one.',
      },
    );
  }
  return { ...(header as unknown as Belonging), start: end + 1 };
}
