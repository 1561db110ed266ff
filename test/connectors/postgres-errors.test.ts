import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { PostgresOptions } from '../../connectors/postgres/options.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';
import { assertError } from './expect-error.ts';
import { asAdmin, openClient, openStore, testOptions } from './postgres-support.ts';

const open = async (options: PostgresOptions) => (await openClient(options)).close();

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
        hint: /connectTimeoutMs/,
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
