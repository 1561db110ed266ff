import { Socket } from 'node:net';
import pg from 'pg';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Closable } from '../../core/service.ts';
import { readTarget, setUpSession, type Target, types } from './connection.ts';
import { copyIn } from './copy-in.ts';
import { leavesConnectionUsable, toPostgresError } from './errors.ts';
import type { PostgresOptions } from './options.ts';

/** A value as it goes over the wire; a Buffer goes in the server's binary format (arrays.ts). */
export type Parameter = string | number | boolean | null | Buffer;
/** A row as it comes back, in the order of the select list. */
export type Row = unknown[];

export interface Statement {
  /** Prepared once per connection under this name. */
  readonly name?: string;
  readonly text: string;
}

export interface Queries {
  query<R extends Row = Row>(statement: Statement | string, values?: readonly Parameter[]): Promise<R[]>;
}

/** The one door to the server: every call has a deadline, and everything thrown is ours. */
export interface PostgresClient extends Queries, Closable {
  /** `host:port/database`, for messages. */
  readonly where: string;
  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
  /** Runs a COPY … FROM STDIN with these data: all of the rows or none, durable when it resolves. */
  copy(text: string, data: Buffer): Promise<void>;
}

/** unnest of several arrays, generated columns and the like are older; this is the oldest that is still maintained. */
const OLDEST_VERSION = 14;
/** The server gives up first, so that the answer says why; the client only when no answer comes at all. */
const CLIENT_GRACE_MS = 5_000;
const CLOSE_WITHIN_MS = 2_000;

export async function openPostgres(options: PostgresOptions, logger: Logger): Promise<PostgresClient> {
  const target = await readTarget(options);
  const client = poolClient(options, target, logger);
  try {
    await checkServer(client);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

function poolClient(options: PostgresOptions, target: Target, logger: Logger): PostgresClient {
  const where = `${target.host}:${target.port}/${target.database}`;
  const sockets = new Set<Socket>();
  const pool = new pg.Pool({
    ...target,
    types,
    max: options.poolSize,
    application_name: 'changeover',
    connectionTimeoutMillis: options.connectTimeoutMs,
    query_timeout: options.statementTimeoutMs + CLIENT_GRACE_MS,
    keepAlive: true,
    stream: () => {
      const socket = new Socket();
      sockets.add(socket);
      return socket.once('close', () => sockets.delete(socket));
    },
    onConnect: (client) => setUpSession(client, options),
  });
  // Without a listener an idle connection that breaks ends the process.
  pool.on('error', (error) => {
    logger.warn({ where, reason: messageOf(error) }, 'an idle connection to Postgres broke');
  });

  const withConnection = async <T>(work: (connection: pg.PoolClient) => Promise<T>): Promise<T> => {
    let connection: pg.PoolClient | undefined;
    let usable = true;
    // A connection that breaks between two statements of ours says so here; the next statement then fails.
    const onBroken = () => {
      usable = false;
    };
    try {
      connection = await pool.connect();
      connection.on('error', onBroken);
      return await work(connection);
    } catch (error) {
      usable &&= leavesConnectionUsable(error);
      throw toPostgresError(error, where);
    } finally {
      // The pool listens again from here on. What has timed out may still be running: that connection is destroyed.
      connection?.removeListener('error', onBroken);
      connection?.release(!usable);
    }
  };

  return {
    where,
    query: (statement, values) => withConnection((connection) => run(connection, statement, values)),
    transaction: (work) => withConnection((connection) => transact(connection, work)),
    copy: (text, data) => withConnection((connection) => copyIn(connection, text, data)),
    close: () => closePool(pool, sockets),
  };
}

async function run<R extends Row>(
  connection: pg.PoolClient,
  statement: Statement | string,
  values: readonly Parameter[] = [],
): Promise<R[]> {
  const asked = typeof statement === 'string' ? { text: statement } : statement;
  const answer = await connection.query<R>({ ...asked, values: [...values], rowMode: 'array' });
  return answer.rows;
}

async function transact<T>(connection: pg.PoolClient, work: (queries: Queries) => Promise<T>): Promise<T> {
  await connection.query('BEGIN');
  try {
    const result = await work({ query: (statement, values) => run(connection, statement, values) });
    await connection.query('COMMIT');
    return result;
  } catch (error) {
    // What cannot be rolled back has no connection any more, and the server rolls it back itself.
    await connection.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

async function checkServer(client: PostgresClient): Promise<void> {
  const [row] = await client.query<[string, string]>(
    `SELECT current_setting('server_version_num'), current_setting('server_encoding')`,
  );
  const [version = '0', encoding = ''] = row ?? [];
  const major = Math.trunc(Number(version) / 10_000);
  if (major < OLDEST_VERSION) {
    throw new ChangeoverError('unsupported', `Postgres at ${client.where} is version ${major}.`, {
      hint: `Use PostgreSQL ${OLDEST_VERSION} or newer.`,
    });
  }
  if (encoding !== 'UTF8') {
    throw new ChangeoverError('mismatch', `The database at ${client.where} is encoded in ${encoding}.`, {
      hint: 'CREATE DATABASE … ENCODING UTF8, and name that one.',
    });
  }
}

/**
 * Says good-bye to the server, but not for ever: a peer that has vanished never answers. The pool forgets a connection
 * that failed to log in without closing it; the server would keep it for a minute, and block DROP DATABASE meanwhile.
 */
async function closePool(pool: pg.Pool, sockets: ReadonlySet<Socket>): Promise<void> {
  if (pool.ending) return;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const timer = setTimeout(cut, CLOSE_WITHIN_MS);
  try {
    await pool.end();
  } finally {
    clearTimeout(timer);
    cut();
  }
}
