import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { checksumOf, MIGRATIONS } from '../../connectors/postgres/migrations.ts';
import { prepareSchema } from '../../connectors/postgres/schema.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { asAdmin, dropSchema, openClient, openStore, testOptions } from './postgres-support.ts';

/** A step that has landed is never edited: what is to change gets a step of its own, and its line here. */
const LANDED = [
  [1, 'c57e85d575d473d4'],
  [2, '2aa8060436254bda'],
];

describe('preparing Postgres', () => {
  const options = testOptions();
  const { schema } = options;
  after(() => dropSchema(schema));

  it('never edits a step that has landed', () => {
    assert.deepEqual(
      MIGRATIONS.map((migration) => [migration.number, checksumOf(migration)]),
      LANDED,
    );
  });

  it('is safe when several processes do it at once', async () => {
    const stores = await Promise.all(Array.from({ length: 4 }, () => openStore(options)));
    try {
      await Promise.all(stores.flatMap((store) => [store.prepare(), store.prepare()]));
      const { rows } = await asAdmin((admin) =>
        admin.query({ text: `SELECT number FROM ${schema}.migrations`, rowMode: 'array' }),
      );
      assert.deepEqual(
        rows,
        LANDED.map(([number]) => [number]),
      );
    } finally {
      await Promise.all(stores.map((store) => store.close()));
    }
  });

  it('makes the views that users query and the indexes that they need', async () => {
    const { rows } = await asAdmin((admin) =>
      admin.query<[string, string]>({
        text: `SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = $1`,
        values: [schema],
        rowMode: 'array',
      }),
    );
    const has = (table: string, columns: string) =>
      rows.some(([name, definition]) => name === table && definition.includes(`(${columns})`));
    assert.equal(rows.filter(([name]) => name === 'agents_held').length, 1, 'only the key of agents');
    assert.ok(has('experiences_held', 'agent_id, id'));
    assert.ok(has('q_values_held', 'agent_id, state, action'));
    const views = await asAdmin((admin) =>
      admin.query({
        text: 'SELECT viewname FROM pg_views WHERE schemaname = $1 ORDER BY 1',
        values: [schema],
        rowMode: 'array',
      }),
    );
    assert.deepEqual(views.rows.flat(), ['agents', 'experiences', 'policies', 'q_values']);
  });

  it('compares all text by code point, whatever the database is configured to', async () => {
    const { rows } = await asAdmin((admin) =>
      admin.query({
        text: `SELECT table_name || '.' || column_name FROM information_schema.columns
          WHERE table_schema = $1 AND table_name LIKE '%\\_held' AND data_type = 'text'
            AND collation_name IS DISTINCT FROM 'C'`,
        values: [schema],
        rowMode: 'array',
      }),
    );
    assert.deepEqual(rows, []);
  });

  it('refuses a schema that belongs to a store of the other role', async () => {
    const client = await openClient(options);
    const other = { name: 'legacy.postgres', role: 'legacy' } as const;
    try {
      await assert.rejects(prepareSchema(client, schema, other), (error: unknown) => {
        assert.ok(error instanceof ChangeoverError);
        assert.equal(error.code, 'conflict');
        assert.match(
          error.message,
          /belongs to target\.postgres, a target store; legacy\.postgres is a legacy/,
        );
        return true;
      });
    } finally {
      await client.close();
    }
  });

  it('refuses a schema that a newer Changeover made, and one made by other steps', async () => {
    const store = await openStore(options);
    const change = (sql: string) => asAdmin((admin) => admin.query(`SET search_path TO ${schema}; ${sql}`));
    try {
      await change(`INSERT INTO migrations (number, name, checksum) VALUES (999, 'later', 'x')`);
      await assert.rejects(store.prepare(), { code: 'mismatch', message: /newer Changeover \(step 999\)/ });
      await change(`DELETE FROM migrations WHERE number = 999; UPDATE migrations SET checksum = 'edited'`);
      await assert.rejects(store.prepare(), { code: 'mismatch', message: /another step 1/ });
    } finally {
      await store.close();
    }
  });
});

it('leaves nothing behind when preparing fails half-way', async () => {
  const options = testOptions();
  const store = await openStore(options);
  try {
    // A relation of that name in the schema makes the first step fail after others of its statements were done.
    await asAdmin((admin) =>
      admin.query(`CREATE SCHEMA ${options.schema}; CREATE TABLE ${options.schema}.policies (mine int)`),
    );
    await assert.rejects(store.prepare());
    const { rows } = await asAdmin((admin) =>
      admin.query({
        text: 'SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace($1)',
        values: [options.schema],
        rowMode: 'array',
      }),
    );
    assert.deepEqual(rows, [['policies']]);
  } finally {
    await store.close();
    await dropSchema(options.schema);
  }
});
