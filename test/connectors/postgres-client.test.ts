import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { PostgresClient } from '../../connectors/postgres/client.ts';
import { uniqueName } from '../support/names.ts';
import { assertError } from './expect-error.ts';
import { asAdmin, dropSchema, openClient, testOptions } from './postgres-support.ts';

/** A TCP link to the server that can stop moving bytes while both ends stay open. */
async function openFreezableLink(target: { readonly host: string; readonly port: number }) {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(target.port, target.host);
    sockets.push(near, far);
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    freeze: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describe('an open Postgres', () => {
  const options = testOptions({ statementTimeoutMs: 400, poolSize: 2 });
  let client: PostgresClient;
  before(async () => {
    client = await openClient(options);
    await asAdmin((admin) => admin.query(`CREATE SCHEMA ${options.schema}`));
  });
  after(async () => {
    await client.close();
    await dropSchema(options.schema);
  });

  const raising = (state: string) =>
    client.query(`DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '${state}'; END $$`);

  it('gives up on a statement that takes too long, and works on', async () => {
    await assertError(client.query('SELECT pg_sleep(30)'), {
      code: 'timeout',
      says: /took too long/,
      retryable: true,
      hint: /statementTimeoutMs/,
    });
    assert.deepEqual(await client.query('SELECT 1'), [[1]]);
  });

  it('works on after its connections were killed, with one passing error at most each', async () => {
    const [row] = await client.query<[number]>('SELECT pg_backend_pid()');
    await asAdmin((admin) => admin.query('SELECT pg_terminate_backend($1)', [row?.[0]]));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(await client.query('SELECT 1'), [[1]]);
    await assertError(client.query('SELECT pg_terminate_backend(pg_backend_pid())'), {
      code: 'unreachable',
      says: /starting or stopping|does not answer/,
      retryable: true,
    });
    assert.deepEqual(await client.query('SELECT 1'), [[1]]);
  });

  it('gives up on a server that has vanished, and closes without its good-bye', async () => {
    const link = await openFreezableLink(options);
    const remote = await openClient({ ...options, host: '127.0.0.1', port: link.port });
    try {
      assert.deepEqual(await remote.query('SELECT 1'), [[1]]);
      link.freeze();
      await assertError(remote.query('SELECT 1'), {
        code: 'timeout',
        says: /did not answer in time/,
        retryable: true,
        hint: /statementTimeoutMs/,
      });
      const started = performance.now();
      await remote.close();
      assert.ok(performance.now() - started < 1_000);
    } finally {
      link.close();
    }
  });

  it('names the deadline that has passed where all connections are in use', async () => {
    const small = await openClient({
      ...options,
      poolSize: 1,
      connectTimeoutMs: 300,
      statementTimeoutMs: 5_000,
    });
    try {
      const busy = small.query('SELECT pg_sleep(0.8)');
      await assertError(small.query('SELECT 1'), {
        code: 'timeout',
        says: /did not answer in time/,
        retryable: true,
        hint: /poolSize, or connectTimeoutMs/,
      });
      await busy;
    } finally {
      await small.close();
    }
  });

  it('survives a connection that breaks between two statements of a transaction', async () => {
    const broken = client.transaction(async (queries) => {
      const [row] = await queries.query<[number]>('SELECT pg_backend_pid()');
      await asAdmin((admin) => admin.query('SELECT pg_terminate_backend($1)', [row?.[0]]));
      await new Promise((resolve) => setTimeout(resolve, 100));
      await queries.query('SELECT 1');
    });
    await assertError(broken, { code: 'unreachable', says: /does not answer/, retryable: true });
    assert.deepEqual(await client.query('SELECT 1'), [[1]]);
  });

  it('calls what the server says by our names', async () => {
    await assertError(raising('53100'), { code: 'no-space', says: /full disk/, retryable: true });
    await assertError(raising('40P01'), { code: 'conflict', says: /gave way/, retryable: true });
    await assertError(raising('40001'), { code: 'conflict', says: /gave way/, retryable: true });
    await assertError(raising('53300'), { code: 'unreachable', says: /no connection left/, retryable: true });
    await assertError(raising('57P03'), {
      code: 'unreachable',
      says: /starting or stopping/,
      retryable: true,
    });
    await assertError(raising('25006'), { code: 'mismatch', says: /read-only/, retryable: true });
    await assertError(client.query('SELECT * FROM nowhere.agents'), {
      code: 'mismatch',
      says: /lacks a table/,
      retryable: false,
    });
  });

  it('reads every integer that a number can hold, and NaN for one that it cannot', async () => {
    const rows = await client.query(
      'SELECT 9007199254740991::bigint, -9007199254740991::bigint, 9007199254740993::bigint',
    );
    assert.deepEqual(rows, [[Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, Number.NaN]]);
  });

  it('asks for durable commits and exact doubles, whatever the server is configured to', async () => {
    const role = uniqueName('role');
    await asAdmin((admin) =>
      admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'lazy';
        ALTER ROLE ${role} SET synchronous_commit = off; ALTER ROLE ${role} SET extra_float_digits = -5`),
    );
    const lazy = await openClient(testOptions({ user: role, password: 'lazy' }));
    try {
      const [row] = await lazy.query(`SELECT current_setting('synchronous_commit'), 1/3::float8`);
      assert.deepEqual(row, ['on', 1 / 3]);
    } finally {
      await lazy.close();
      await asAdmin((admin) => admin.query(`DROP ROLE ${role}`));
    }
  });
});
