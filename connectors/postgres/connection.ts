import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import { readSecret } from '../../core/secret.ts';
import type { PostgresOptions } from './options.ts';

/** Where to connect and as whom, after the url, the password's file and the certificates were read. */
export type Target = Pick<pg.PoolConfig, 'host' | 'port' | 'user' | 'database' | 'password' | 'ssl'>;

export async function readTarget(options: PostgresOptions): Promise<Target> {
  const password = await readSecret(options);
  const ssl = options.ssl && (await sslOf(options));
  if (options.url === undefined) {
    const { host, port, user, database } = options;
    return { host, port, user, database, password, ssl };
  }
  const url = new URL(options.url);
  const part = (text: string, fallback: string) => (text === '' ? fallback : decodeURIComponent(text));
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 5432 : Number(url.port),
    user: part(url.username, options.user),
    database: part(url.pathname.slice(1), options.database),
    password: password ?? decodeURIComponent(url.password),
    ssl,
  };
}

async function sslOf(options: PostgresOptions): Promise<Exclude<pg.PoolConfig['ssl'], undefined>> {
  const [ca, cert, key] = await Promise.all(
    [options.sslCaFile, options.sslCertFile, options.sslKeyFile].map(readPem),
  );
  return {
    rejectUnauthorized: options.sslVerify,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

async function readPem(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ChangeoverError('config', `Cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
}

const INT8 = 20;

/** A number that cannot hold the integer exactly is none: NaN, which every check of an entity refuses. */
function parseInt8(text: string): number {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : Number.NaN;
}

/** Given to our own connections only: `pg.types` belongs to the whole process. */
export const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text') =>
    oid === INT8 ? parseInt8 : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

/**
 * What a session needs whatever the server's configuration says: doubles printed to the last bit, a commit that is on
 * disk before it is confirmed, deadlines. No sort where an index gives the order: while the statistics are young the
 * planner would rather sort all that is left of a range for every page of it. Set by a statement, because poolers
 * refuse unknown start-up parameters.
 */
const SESSION = `SELECT set_config('extra_float_digits', '1', false), set_config('enable_sort', 'off', false),
  set_config('synchronous_commit', CASE current_setting('synchronous_commit')
    WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),
  set_config('statement_timeout', $1, false),
  set_config('idle_in_transaction_session_timeout', $1, false)`;

export async function setUpSession(client: pg.ClientBase, options: PostgresOptions): Promise<void> {
  await client.query(SESSION, [String(options.statementTimeoutMs)]);
}
