import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import type { PostgresClient } from '../../connectors/postgres/client.ts';
import { statementsFor } from '../../connectors/postgres/statements.ts';
import { tableOf } from '../../connectors/postgres/tables.ts';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { asAdmin, dropSchema, openClient, openStore, testOptions } from './postgres-support.ts';

const ROWS = 60_000;

describe('the Postgres source', () => {
  const options = testOptions();
  const { schema } = options;
  let store: Store;
  let client: PostgresClient;
  before(async () => {
    store = await openStore(options);
    client = await openClient(options);
    await store.prepare();
    await asAdmin((admin) =>
      admin.query(`SET search_path TO ${schema};
        INSERT INTO experiences_held
        SELECT 'e' || lpad(n::text, 6, '0'), 'a' || n % 997, n % 50, n % 100, 's', 1, 0.5, 't', false, n, 1, false
        FROM generate_series(1, ${ROWS}) AS n`),
    );
  });
  after(async () => {
    await client.close();
    await store.close();
    await dropSchema(schema);
  });

  it('reads a page anywhere by the index, and sorts nothing', async () => {
    const page = statementsFor(schema, tableOf('experience')).page({ after: true, until: true });
    const plan = await client.query<[string]>(`EXPLAIN ${page.text}`, [
      1_000,
      'a5',
      'e000000',
      'a9',
      'e999999',
    ]);
    const text = plan.flat().join('\n');
    assert.match(text, /Index Scan using experiences_by_agent/);
    assert.doesNotMatch(text, /Sort|Seq Scan/);
  });

  it('parts a large table into ranges of about equal size', async () => {
    const ranges = await store.source.ranges('experience', 6);
    assert.equal(ranges.length, 6);
    const sizes = await Promise.all(
      ranges.map(async (range) => {
        let size = 0;
        for await (const chunk of store.source.scan('experience', range, { limit: 5_000 }))
          size += chunk.rows.length;
        return size;
      }),
    );
    assert.equal(
      sizes.reduce((sum, size) => sum + size, 0),
      ROWS,
    );
    assert.ok(Math.max(...sizes) < (2 * ROWS) / 6, String(sizes));
  });

  it('stops between pages when it is told to', async () => {
    const stop = new AbortController();
    let chunks = 0;
    const walk = async () => {
      for await (const _chunk of store.source.scan('experience', WHOLE_RANGE, {
        limit: 100,
        signal: stop.signal,
      })) {
        if (++chunks === 3) stop.abort();
      }
    };
    await assert.rejects(walk(), { name: 'AbortError' });
    assert.equal(chunks, 3);
  });

  it('names what is no movable entity, and goes on with the rest', async () => {
    await asAdmin((admin) =>
      admin.query(`SET search_path TO ${schema};
        INSERT INTO q_values_held VALUES
          ('a', 's', 1, 0.5, 1, 1, false),
          ('a', 's', 2, 'NaN', 1, 1, false),
          ('a', 's', 3, 0.5, 9007199254740993, 1, false),
          ('a', '', 4, 0.5, 1, 1, false),
          ('b', 's', 1, 0.5, 1, 1, false)`),
    );
    const keys: string[] = [];
    const rejected: string[] = [];
    for await (const chunk of store.source.scan('q-value', WHOLE_RANGE, { limit: 2 })) {
      keys.push(...chunk.rows.map((row) => row.key));
      rejected.push(...chunk.rejected.map(({ where, reason }) => `${where}: ${reason}`));
    }
    assert.deepEqual(keys, ['["a","s",1]', '["b","s",1]']);
    assert.deepEqual(rejected, [
      `${schema}.q_values ["a","",4]: state is empty`,
      `${schema}.q_values ["a","s",2]: value is not a finite number`,
      `${schema}.q_values ["a","s",3]: visits is not a whole number`,
    ]);
  });

  it('refuses a place of another kind', async () => {
    const walk = Array.fromAsync(store.source.scan('q-value', { after: ['a'], until: null }, { limit: 2 }));
    await assert.rejects(walk, { code: 'mismatch' });
  });
});
