import { ChangeoverError } from '../../core/errors.ts';
import type { EntityOf } from '../../schemas/change.ts';
import { entityFault } from '../../schemas/entity-fault.ts';
import { keyOf, type ScanKey, scanKeyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { rangesBetween, type ScanRange } from '../../schemas/scan-order.ts';
import { type Held, isVersion } from '../../schemas/version.ts';
import type { RejectedItem, ScanChunk, ScanOptions, Source, SourceRow } from '../connector.ts';
import type { Parameter, PostgresClient, Row } from './client.ts';
import { entityOf, keyParameters, placeOf } from './rows.ts';
import { type Statements, statementsFor } from './statements.ts';
import { type PostgresKind, type Table, tableOf } from './tables.ts';

interface SourceOptions {
  readonly client: PostgresClient;
  readonly kinds: readonly Kind[];
  readonly schema: string;
}

/** Blocks of a table that are read to find where its ranges meet: 16 MB, some 100,000 rows. */
const SAMPLE_BLOCKS = 2_048;

export function openSource({ client, kinds, schema }: SourceOptions): Source {
  const readers = new Map(kinds.map((kind) => [kind, new TableReader(client, schema, tableOf(kind))]));
  const readerOf = (kind: Kind): TableReader => {
    const reader = readers.get(kind);
    if (reader === undefined) throw new Error(`This source holds no ${kind}.`);
    return reader;
  };
  return {
    kinds,
    // The client belongs to the store, which closes it.
    close: async () => {},
    count: (kind) => readerOf(kind).count(),
    ranges: (kind, parts) => readerOf(kind).ranges(parts),
    scan: <K extends Kind>(kind: K, range: ScanRange, options: ScanOptions) =>
      readerOf(kind).scan(range, options) as unknown as AsyncIterable<ScanChunk<K>>,
    get: async <K extends Kind>(kind: K, keys: readonly string[]) =>
      (await readerOf(kind).get(keys)) as unknown as readonly (Held<K> | undefined)[],
  };
}

class TableReader {
  readonly #client: PostgresClient;
  readonly #table: Table;
  readonly #statements: Statements;
  readonly #where: string;

  constructor(client: PostgresClient, schema: string, table: Table) {
    this.#client = client;
    this.#table = table;
    this.#statements = statementsFor(schema, table);
    this.#where = `${schema}.${table.view}`;
  }

  async count(): Promise<number> {
    const [row] = await this.#client.query<[number]>(this.#statements.count);
    return row?.[0] ?? 0;
  }

  /** From a sample of the table's blocks, so that it costs the same however large the table is. */
  async ranges(parts: number): Promise<readonly ScanRange[]> {
    if (parts <= 1) return rangesBetween([]);
    const [size] = await this.#client.query<[number]>(this.#statements.blocks);
    const percent = Math.min(100, (100 * SAMPLE_BLOCKS) / Math.max(1, size?.[0] ?? 1));
    const rows = await this.#client.query(this.#statements.boundaries, [percent, parts]);
    return rangesBetween(rows.map(placeOf));
  }

  /** Page after page by key: each is a statement of its own, so nothing is held open in the server between them. */
  async *scan(range: ScanRange, { limit, signal }: ScanOptions): AsyncGenerator<ScanChunk<PostgresKind>> {
    const until = this.#placeParameters(range.until);
    let { after } = range;
    for (;;) {
      signal?.throwIfAborted();
      const statement = this.#statements.page({ after: after !== null, until: range.until !== null });
      const values = [limit, ...this.#placeParameters(after), ...until];
      const found = await this.#client.query(statement, values);
      const chunk = this.#chunkOf(found);
      if (chunk === undefined) return;
      yield chunk;
      if (found.length < limit) return;
      after = chunk.last;
    }
  }

  #placeParameters(place: ScanKey | null): readonly Parameter[] {
    if (place === null) return [];
    if (place.length === this.#table.place.length) return place;
    throw new ChangeoverError('mismatch', `${JSON.stringify(place)} is no place in ${this.#where}.`);
  }

  #chunkOf(found: readonly Row[]): ScanChunk<PostgresKind> | undefined {
    const rows: SourceRow<PostgresKind>[] = [];
    const rejected: RejectedItem[] = [];
    let last: ScanKey | undefined;
    for (const row of found) {
      const entity = entityOf(this.#table, row, 1);
      const version = row[0] as number;
      last = scanKeyOf(this.#table.kind, entity);
      const fault = isVersion(version) ? entityFault(this.#table.kind, entity) : 'version is no safe integer';
      if (fault === undefined) rows.push({ key: keyOf(this.#table.kind, entity), version, entity });
      else rejected.push({ where: `${this.#where} ${JSON.stringify(last)}`, reason: fault });
    }
    return last === undefined ? undefined : { rows, rejected, last };
  }

  async get(keys: readonly string[]): Promise<readonly (Held<PostgresKind> | undefined)[]> {
    const held: (Held<PostgresKind> | undefined)[] = keys.map(() => undefined);
    if (keys.length === 0) return held;
    const rows = await this.#client.query<[number, number, boolean, ...unknown[]]>(
      this.#statements.get,
      keyParameters(this.#table, keys),
    );
    for (const row of rows) {
      const [number, version, deleted] = row;
      const entity: EntityOf[PostgresKind] | null = deleted ? null : entityOf(this.#table, row, 3);
      held[number - 1] = { version, entity };
    }
    return held;
  }
}
