import type { EmbeddingSpace } from '../../schemas/embedding-space.ts';
import { entityFault } from '../../schemas/entity-fault.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { rangesBetween, type ScanRange, WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { type Held, isVersion } from '../../schemas/version.ts';
import type { RejectedItem, ScanChunk, ScanOptions, Source, SourceRow } from '../connector.ts';
import type { MilvusConnection } from './connection.ts';
import { idBetween, idIn } from './filter.ts';
import { countRows, halving, pages } from './pages.ts';
import { EMBEDDING_FIELDS, embeddingOf, type MilvusRow, VERSION_FIELDS, versionOf } from './rows.ts';
import type { FoundCollections } from './schema.ts';
import { filterParts, isLeftover, NOTHING_HELD, type VersionReader } from './versions.ts';

interface SourceOptions {
  readonly connection: MilvusConnection;
  readonly collections: FoundCollections;
  readonly versions: VersionReader;
}

type EmbeddingChunk = ScanChunk<'embedding'>;

/** Rows whose vectors are fetched in one call at most. */
const MAX_GET_BYTES = 16 * 1024 * 1024;
/** The server's limit for offset + limit. */
const MAX_WINDOW = 16_384;

export function openSource(options: SourceOptions): Source {
  const reader = new EmbeddingReader(options);
  return {
    kinds: ['embedding'],
    // The connection belongs to the store, which closes it.
    close: async () => {},
    count: () => reader.count(),
    ranges: (_kind, parts) => reader.ranges(parts),
    scan: <K extends Kind>(_kind: K, range: ScanRange, scanOptions: ScanOptions) =>
      reader.scan(range, scanOptions) as unknown as AsyncIterable<ScanChunk<K>>,
    get: async <K extends Kind>(_kind: K, keys: readonly string[]) =>
      (await reader.get(keys)) as unknown as readonly (Held<K> | undefined)[],
  };
}

/**
 * Rows are read before their tombstones: what is deleted in between is then seen as deleted, never as unheard of.
 */
class EmbeddingReader {
  readonly #connection: MilvusConnection;
  readonly #collections: FoundCollections;
  readonly #versions: VersionReader;

  constructor({ connection, collections, versions }: SourceOptions) {
    this.#connection = connection;
    this.#collections = collections;
    this.#versions = versions;
  }

  /** Rows, less those that their tombstones have overtaken: to find these, every tombstone is looked at. */
  async count(): Promise<number> {
    const { embeddings, tombstones } = this.#collections;
    if ((await this.#collections.space()) === undefined) return 0;
    const rows = await countRows(this.#connection, embeddings);
    if (rows === 0 || !(await this.#collections.hasTombstones())) return rows;
    let leftovers = 0;
    const query = { collection: tombstones, range: WHOLE_RANGE, fields: VERSION_FIELDS, limit: 5_000 };
    for await (const page of pages(this.#connection, query)) {
      const held = await this.#versions.rows(page.map((row) => row.id as string));
      for (const tombstone of page) {
        const row = held.get(tombstone.id as string);
        if (isLeftover({ row, tombstone: versionOf(tombstone) })) leftovers++;
      }
    }
    return rows - leftovers;
  }

  /**
   * Hops along the ids by the largest offset that the server allows, so the cost grows with the number of rows: about
   * 50 ms for each 16,000. A rough answer will do, so it asks for no fresher state than there is at hand.
   */
  async ranges(parts: number): Promise<readonly ScanRange[]> {
    if (parts <= 1 || (await this.#collections.space()) === undefined) return rangesBetween([]);
    const collection = this.#collections.embeddings;
    const count = await countRows(this.#connection, collection);
    const size = Math.max(1, Math.ceil(count / parts));
    const boundaries: string[] = [];
    let place: string | undefined;
    for (let walked = 0; boundaries.length < parts - 1; ) {
      const hop = Math.min(MAX_WINDOW - 1, size - (walked % size));
      const filter = idBetween({ after: place === undefined ? null : [place], until: null });
      const request = { collection, filter, fields: ['id'], limit: 1, offset: hop - 1 };
      const [row] = await this.#connection.query({ ...request, consistency: 'Bounded' });
      if (row === undefined) break;
      place = row.id as string;
      walked += hop;
      if (walked % size === 0) boundaries.push(place);
    }
    return rangesBetween(boundaries.map((id) => [id]));
  }

  async *scan(range: ScanRange, { limit, signal }: ScanOptions): AsyncGenerator<EmbeddingChunk> {
    const space = await this.#collections.space();
    if (space === undefined) return;
    const collection = this.#collections.embeddings;
    const query = { collection, range, fields: EMBEDDING_FIELDS, limit: Math.min(limit, MAX_WINDOW) };
    const walk = pages(this.#connection, query, signal);
    // While the tombstones of one page are looked up, the next page is on its way.
    let ahead = walk.next();
    for (;;) {
      const page = await ahead;
      if (page.done === true) return;
      ahead = walk.next();
      // Who stops early never asks what became of it.
      ahead.catch(() => {});
      yield await this.#chunkOf(page.value, space);
    }
  }

  async #chunkOf(page: readonly MilvusRow[], space: EmbeddingSpace): Promise<EmbeddingChunk> {
    const tombstones = await this.#versions.tombstones(page.map((row) => row.id as string));
    const rows: SourceRow<'embedding'>[] = [];
    const rejected: RejectedItem[] = [];
    let last = '';
    for (const row of page) {
      const entity = embeddingOf(row, space);
      const version = versionOf(row);
      last = entity.id;
      if (isLeftover({ row: version, tombstone: tombstones.get(last) })) continue;
      const fault = isVersion(version) ? entityFault('embedding', entity) : 'version is no safe integer';
      if (fault === undefined) rows.push({ key: last, version, entity });
      else
        rejected.push({
          where: `${this.#collections.embeddings}, id ${JSON.stringify(last)}`,
          reason: fault,
        });
    }
    return { rows, rejected, last: [last] };
  }

  async get(ids: readonly string[]): Promise<readonly (Held<'embedding'> | undefined)[]> {
    const rows = await this.#rowsOf(ids);
    const tombstones = await this.#versions.tombstones(ids);
    return ids.map((id): Held<'embedding'> | undefined => {
      const row = rows.get(id);
      const tombstone = tombstones.get(id);
      const held = { ...NOTHING_HELD, row: row?.version ?? undefined, tombstone };
      if (row !== undefined && !isLeftover(held)) return row;
      return tombstone === undefined ? undefined : { version: tombstone, entity: null };
    });
  }

  async #rowsOf(ids: readonly string[]): Promise<ReadonlyMap<string, Held<'embedding'>>> {
    const rows = new Map<string, Held<'embedding'>>();
    const space = await this.#collections.space();
    if (space === undefined) return rows;
    const atOnce = Math.max(1, Math.floor(MAX_GET_BYTES / (space.dimension * 4 + 8_192)));
    for (const part of filterParts(ids, atOnce)) {
      for await (const found of this.#rowsOfPart(part)) {
        for (const row of found) {
          rows.set(row.id as string, { version: versionOf(row), entity: embeddingOf(row, space) });
        }
      }
    }
    return rows;
  }

  async *#rowsOfPart(ids: readonly string[]): AsyncGenerator<readonly MilvusRow[]> {
    const collection = this.#collections.embeddings;
    let atOnce = ids.length;
    for (let start = 0; start < ids.length; start += atOnce) {
      const ask = (rows: number) =>
        this.#connection.query({
          collection,
          filter: idIn(ids.slice(start, start + rows)),
          fields: EMBEDDING_FIELDS,
        });
      const { answer, fitting } = await halving(atOnce, ask);
      atOnce = fitting;
      yield answer;
    }
  }
}
