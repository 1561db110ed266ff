import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { PostgresClient } from '../../connectors/postgres/client.ts';
import type { PostgresOptions } from '../../connectors/postgres/options.ts';
import { ChangeoverError, type ErrorCode } from '../../core/errors.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';
import { asAdmin, dropSchema, openClient, openStore, testOptions } from './postgres-support.ts';

interface Expected {
  readonly code: ErrorCode;
  readonly says: RegExp;
  readonly retryable?: boolean;
}

async function assertError(work: Promise<unknown>, { code, says, retryable }: Expected): Promise<void> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ChangeoverError, `not one of our errors: ${error}`);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, says);
  assert.match(error.message, /^[^\n]{1,300}$/, 'one line');
  assert.ok(error.hint !== undefined || code === 'conflict', 'says what to do');
  if (retryable !== undefined) assert.equal(error.retryable, retryable);
}

const open = async (options: PostgresOptions) => (await openClient(options)).close();

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

describe('opening Postgres gives one clear error for', () => {
  it('a server that is not there', () =>
    assertError(open(testOptions({ port: 1 })), {
      code: 'unreachable',
      says: /127\.0\.0\.1:1\/changeover does not answer/,
      retryable: true,
    }));

  it('a name that no one knows', () =>
    assertError(open(testOptions({ host: 'nowhere.invalid' })), {
      code: 'unreachable',
      says: /nowhere\.invalid/,
    }));

  it('a server that accepts and never answers', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      await assertError(open(testOptions({ port, connectTimeoutMs: 300 })), {
        code: 'timeout',
        says: /did not answer in time/,
        retryable: true,
      });
    } finally {
      silent.close();
    }
  });

  it('a wrong password', () =>
    assertError(open(testOptions({ password: 'wrong' })), {
      code: 'unauthenticated',
      says: /refuses the login/,
      retryable: false,
    }));

  it('no password at all', () =>
    assertError(open(testOptions({ password: undefined })), {
      code: 'unauthenticated',
      says: /refuses the login/,
    }));

  it('a password file that is not there', () =>
    assertError(open(testOptions({ passwordFile: '/nowhere/password' })), {
      code: 'config',
      says: /passwordFile.*no such file/,
    }));

  it('a database that is not there', () =>
    assertError(open(testOptions({ database: 'nowhere' })), { code: 'mismatch', says: /no such database/ }));

  it('a server without TLS when TLS is asked for', () =>
    assertError(open(testOptions({ ssl: true })), { code: 'config', says: /securely/ }));

  // Also fails, by its time, when a login that failed before it still holds its connection.
  it('a database that is not in UTF8', { timeout: 20_000 }, async () => {
    const database = uniqueName('latin');
    await asAdmin((admin) =>
      admin.query(`CREATE DATABASE ${database} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`),
    );
    try {
      await assertError(open(testOptions({ database })), { code: 'mismatch', says: /encoded in LATIN1/ });
    } finally {
      await asAdmin((admin) => admin.query(`DROP DATABASE ${database}`));
    }
  });
});

it('reads the password from a file, without the newline at its end', async () => {
  const passwordFile = join(tmpdir(), uniqueName('password'));
  await writeFile(passwordFile, `${testStack().postgres.password}\n`);
  await open(testOptions({ password: undefined, passwordFile }));
});

it('takes everything from a url', async () => {
  const { url } = testStack().postgres;
  await open(testOptions({ url, host: 'nowhere.invalid', user: 'nobody', password: undefined }));
});

describe('a role of little power', () => {
  const role = uniqueName('role');
  const fake = uniqueName('fake');
  before(() =>
    asAdmin((admin) =>
      admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'weak';
        CREATE SCHEMA ${fake};
        CREATE FUNCTION ${fake}.current_setting(name text) RETURNS text LANGUAGE sql AS
          $$ SELECT CASE name WHEN 'server_version_num' THEN '130011' ELSE pg_catalog.current_setting(name) END $$;
        GRANT USAGE ON SCHEMA ${fake} TO ${role}`),
    ),
  );
  after(() => asAdmin((admin) => admin.query(`DROP SCHEMA ${fake} CASCADE; DROP ROLE ${role}`)));

  it('is told that it may not prepare the store', async () => {
    const store = await openStore(testOptions({ user: role, password: 'weak' }));
    try {
      await assertError(store.prepare(), {
        code: 'forbidden',
        says: /refuses the right.*denied/,
        retryable: false,
      });
      const rows = await store.probe.check();
      const permissions = rows.find((row) => row.check === 'permissions');
      assert.equal(permissions?.ok, false);
      assert.match(permissions?.fix ?? '', /GRANT/);
    } finally {
      await store.close();
    }
  });

  it('is told that the server is too old, where it is', async () => {
    await asAdmin((admin) => admin.query(`ALTER ROLE ${role} SET search_path = ${fake}, pg_catalog`));
    await assertError(open(testOptions({ user: role, password: 'weak' })), {
      code: 'unsupported',
      says: /is version 13/,
    });
  });
});

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
      });
      const started = performance.now();
      await remote.close();
      assert.ok(performance.now() - started < 1_000);
    } finally {
      link.close();
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
