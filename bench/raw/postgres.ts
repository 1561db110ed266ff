import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { PostgresAddress } from '../../stack/addresses.ts';
import type { Figure } from '../measure.ts';
import { agentChange } from '../sinks/postgres-content.ts';

const BATCH = 2_000;

/** The plainest table that can hold an agent and its version: no second index, no check, no tombstones. */
export function plainAgents(table: string): string {
  return `CREATE TABLE ${table} (id text COLLATE "C" PRIMARY KEY, type text NOT NULL, active boolean NOT NULL,
    attributes json NOT NULL, version bigint NOT NULL)`;
}

/** Parameters: one array a column. */
export function guardedUpsert(table: string): string {
  return `INSERT INTO ${table} AS held (id, type, active, attributes, version)
    SELECT * FROM unnest($1::text[], $2::text[], $3::boolean[], $4::json[], $5::bigint[])
    ON CONFLICT (id) DO UPDATE SET type = excluded.type, active = excluded.active,
      attributes = excluded.attributes, version = excluded.version WHERE held.version < excluded.version`;
}

/**
 * The fastest hand-written loop: guarded upserts of rows of 200 bytes through unnest, one batch after another on each
 * connection, into the plain table or another one that has these columns. The rows are made before the clock starts: on two cores
 * making them takes as long as the server does.
 */
export async function rawUpsertRows(
  { url }: PostgresAddress,
  rows: number,
  connections = 1,
  into?: { readonly table: string; readonly upsert: string },
): Promise<Omit<Figure, 'what'>> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  const table = `raw_${randomBytes(4).toString('hex')}`;
  const upsert = into?.upsert ?? guardedUpsert(table);
  try {
    await admin.query(plainAgents(table));
    const starts = Array.from({ length: Math.ceil(rows / BATCH) }, (_, index) => index * BATCH);
    const batches = starts.map((start) => columnsOf(start, Math.min(BATCH, rows - start))).values();
    const write = async (): Promise<void> => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      try {
        for (const values of batches) await client.query({ name: 'raw', text: upsert, values });
      } finally {
        await client.end();
      }
    };
    const startedMs = performance.now();
    await Promise.all(Array.from({ length: connections }, write));
    return { items: rows, seconds: (performance.now() - startedMs) / 1000 };
  } finally {
    await admin.query(`DROP TABLE IF EXISTS ${table}`);
    await admin.end();
  }
}

function columnsOf(start: number, size: number): unknown[] {
  const changes = Array.from({ length: size }, (_, index) => agentChange(start + index));
  changes.sort((left, right) => (left.key < right.key ? -1 : 1));
  const rows = changes.flatMap(({ after, version }) => (after === null ? [] : [{ ...after, version }]));
  return [
    rows.map(({ id }) => id),
    rows.map(({ type }) => type),
    rows.map(({ active }) => active),
    rows.map(({ attributes }) => JSON.stringify(attributes)),
    rows.map(({ version }) => version),
  ];
}
