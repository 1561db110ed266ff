import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { PostgresAddress } from '../../stack/addresses.ts';

const BATCH = 2_000;

/** The fastest hand-written loop: guarded upserts of small rows through unnest, one connection, one batch after another. */
export async function rawUpsertRows({ url }: PostgresAddress, rows: number): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const table = `raw_${randomBytes(4).toString('hex')}`;
  try {
    await client.query(
      `CREATE TABLE ${table} (id text COLLATE "C" PRIMARY KEY, version bigint NOT NULL, body text NOT NULL)`,
    );
    const text = `INSERT INTO ${table} SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[])
      ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body WHERE ${table}.version < excluded.version`;
    const body = 'x'.repeat(200);
    for (let start = 0; start < rows; start += BATCH) {
      const size = Math.min(BATCH, rows - start);
      const ids = Array.from({ length: size }, (_, index) => `row ${start + index}`);
      await client.query({ name: 'raw', text, values: [ids, ids.map(() => 1), ids.map(() => body)] });
    }
    return rows;
  } finally {
    await client.query(`DROP TABLE IF EXISTS ${table}`);
    await client.end();
  }
}
