import type { Kind } from '../../schemas/kinds.ts';
import { PURGE_BATCH, type PurgeOptions, type TombstoneCount, type Upkeep } from '../upkeep.ts';
import type { Parameter, PostgresClient } from './client.ts';
import type { Column, Table } from './tables.ts';
import { tableOf } from './tables.ts';

interface UpkeepOptions {
  readonly client: PostgresClient;
  readonly kinds: readonly Kind[];
  readonly schema: string;
}

/** Rows in one statement that only counts. */
const COUNT_BATCH = 20_000;

export function openUpkeep({ client, kinds, schema }: UpkeepOptions): Upkeep {
  const walkerOf = (kind: Kind) => new TombstoneWalk(client, schema, tableOf(kind));
  return {
    kinds,
    countTombstones: (kind, before, signal) => walkerOf(kind).count(before, signal),
    purgeTombstones: (kind, before, options) => walkerOf(kind).purge(before, options),
  };
}

/** A stretch of the table in the order of its primary key; a side that is not given is open. */
interface Stretch {
  readonly after: readonly Parameter[] | undefined;
  readonly until: readonly Parameter[] | undefined;
}

/**
 * Walks the whole table by its primary key, a stretch for each statement, so that none takes longer than its rows: no index
 * has the tombstones alone, because every delete would pay for it.
 */
class TombstoneWalk {
  readonly #client: PostgresClient;
  readonly #key: readonly Column[];
  readonly #held: string;

  constructor(client: PostgresClient, schema: string, table: Table) {
    this.#client = client;
    this.#key = table.key;
    this.#held = `"${schema}"."${table.held}"`;
  }

  async count(before: number, signal?: AbortSignal): Promise<TombstoneCount> {
    let [all, older] = [0, 0];
    for await (const stretch of this.#stretches(COUNT_BATCH)) {
      signal?.throwIfAborted();
      const { where, values } = this.#within(stretch, before);
      const [row] = await this.#client.query<[number, number]>(
        `SELECT count(*), count(*) FILTER (WHERE version < $1::bigint) FROM ${this.#held} WHERE deleted${where}`,
        values,
      );
      all += row?.[0] ?? 0;
      older += row?.[1] ?? 0;
    }
    return { all, older };
  }

  /**
   * A tombstone is locked and looked at again under its lock (FOR UPDATE reads the newest row), then deleted. One that somebody holds is
   * passed over: it is being written, so most likely it is no tombstone of this age any more, and who does not wait is never in a deadlock.
   */
  async *purge(before: number, { limit = PURGE_BATCH, signal }: PurgeOptions = {}): AsyncGenerator<number> {
    const isOld = (row: string) => `${row}.deleted AND ${row}.version < $1::bigint`;
    const sameKey = this.#key.map(({ name }) => `held."${name}" = old."${name}"`).join(' AND ');
    for await (const stretch of this.#stretches(limit)) {
      signal?.throwIfAborted();
      const { where, values } = this.#within(stretch, before);
      const [row] = await this.#client.query<[number]>(
        `WITH old AS MATERIALIZED (
           SELECT ${this.#names} FROM ${this.#held} AS held WHERE ${isOld('held')}${where} FOR UPDATE SKIP LOCKED),
         gone AS (DELETE FROM ${this.#held} AS held USING old WHERE ${sameKey} AND ${isOld('held')} RETURNING 1)
         SELECT count(*) FROM gone`,
        values,
      );
      yield row?.[0] ?? 0;
    }
  }

  get #names(): string {
    return this.#key.map(({ name }) => `"${name}"`).join(', ');
  }

  async *#stretches(rows: number): AsyncGenerator<Stretch> {
    for (let after: Stretch['after']; ; ) {
      const from = after === undefined ? '' : `WHERE (${this.#names}) > (${this.#place(2)}) `;
      const [last] = await this.#client.query<Parameter[]>(
        `SELECT ${this.#names} FROM ${this.#held} ${from}ORDER BY ${this.#names} OFFSET $1::bigint LIMIT 1`,
        [rows - 1, ...(after ?? [])],
      );
      yield { after, until: last };
      if (last === undefined) return;
      after = last;
    }
  }

  #place(from: number): string {
    return this.#key.map(({ type }, index) => `$${from + index}::${type}`).join(', ');
  }

  /** As a condition that goes on from another one; its first parameter is the version. */
  #within(
    { after, until }: Stretch,
    before: number,
  ): { readonly where: string; readonly values: readonly Parameter[] } {
    const lower = after === undefined ? '' : ` AND (${this.#names}) > (${this.#place(2)})`;
    const next = 2 + (after?.length ?? 0);
    const upper = until === undefined ? '' : ` AND (${this.#names}) <= (${this.#place(next)})`;
    return { where: `${lower}${upper}`, values: [before, ...(after ?? []), ...(until ?? [])] };
  }
}
