import type { Tenure } from '../connector.ts';
import type { MilvusConnection, SeesUntil } from './connection.ts';
import { idIn } from './filter.ts';
import { type MilvusRow, VERSION_FIELDS, versionOf } from './rows.ts';
import type { FoundCollections } from './schema.ts';

/** What the two collections say of one id. */
export interface HeldVersions {
  readonly row: number | undefined;
  readonly tombstone: number | undefined;
}

export const NOTHING_HELD: HeldVersions = { row: undefined, tombstone: undefined };

/** The version that the guard compares with; undefined for an id that was never heard of. */
export function newestOf({ row, tombstone }: HeldVersions): number | undefined {
  if (row === undefined || tombstone === undefined) return row ?? tombstone;
  return Math.max(row, tombstone);
}

/**
 * True for a row that its tombstone has overtaken: what a crash leaves between the writing of the tombstone and the
 * deleting of the row. It counts for nothing, and is deleted as soon as a change of its id is offered.
 */
export function isLeftover({ row, tombstone }: HeldVersions): boolean {
  return row !== undefined && tombstone !== undefined && row <= tombstone;
}

/** Characters of ids in one query; the server parses each. */
const MAX_FILTER_CHARACTERS = 256 * 1024;
const MAX_FILTER_IDS = 5_000;

/** Parts ids so that each part fits in one filter, and has no more than the given number. */
export function* filterParts(ids: readonly string[], maxIds = MAX_FILTER_IDS): Generator<readonly string[]> {
  let part: string[] = [];
  let characters = 0;
  for (const id of ids) {
    if (part.length >= Math.min(maxIds, MAX_FILTER_IDS) || characters + id.length > MAX_FILTER_CHARACTERS) {
      yield part;
      part = [];
      characters = 0;
    }
    part.push(id);
    characters += id.length + 3;
  }
  if (part.length > 0) yield part;
}

/** How fresh what the guard compares with must be. */
export type Consistency = 'Strong' | SeesUntil;

interface ReadOptions {
  readonly consistency?: Consistency;
  readonly tenure?: Tenure | undefined;
}

export class VersionReader {
  readonly #connection: MilvusConnection;
  readonly #collections: FoundCollections;

  constructor(connection: MilvusConnection, collections: FoundCollections) {
    this.#connection = connection;
    this.#collections = collections;
  }

  /** Of the ids that the store has heard of; by the store's only writer, so the two reads may be at once. */
  async held(ids: readonly string[], options: ReadOptions = {}): Promise<ReadonlyMap<string, HeldVersions>> {
    const [rows, tombstones] = await Promise.all([this.rows(ids, options), this.tombstones(ids, options)]);
    const held = new Map<string, HeldVersions>();
    for (const id of new Set([...rows.keys(), ...tombstones.keys()])) {
      held.set(id, { row: rows.get(id), tombstone: tombstones.get(id) });
    }
    return held;
  }

  async rows(ids: readonly string[], options: ReadOptions = {}): Promise<ReadonlyMap<string, number>> {
    const exists = (await this.#collections.space(options.tenure)) !== undefined;
    return exists ? this.#read(this.#collections.embeddings, ids, options) : new Map();
  }

  async tombstones(ids: readonly string[], options: ReadOptions = {}): Promise<ReadonlyMap<string, number>> {
    const exists = await this.#collections.hasTombstones(options.tenure);
    return exists ? this.#read(this.#collections.tombstones, ids, options) : new Map();
  }

  async #read(
    collection: string,
    ids: readonly string[],
    { consistency = 'Strong', tenure }: ReadOptions,
  ): Promise<ReadonlyMap<string, number>> {
    const versions = new Map<string, number>();
    for (const part of filterParts(ids)) {
      const request = { collection, filter: idIn(part), fields: VERSION_FIELDS, consistency };
      const found = await this.#connection.query(request, tenure);
      for (const row of found) versions.set(row.id as string, newest(versions.get(row.id as string), row));
    }
    return versions;
  }
}

/** An id that was written outside the guard may be there twice. */
function newest(known: number | undefined, row: MilvusRow): number {
  return Math.max(known ?? 0, versionOf(row));
}
