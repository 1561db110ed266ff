import pg from 'pg';
import { ChangeoverError, type ErrorCode, messageOf, systemCodeOf } from '../../core/errors.ts';

interface Meaning {
  readonly code: ErrorCode;
  /** Follows "Postgres at host:port/database". */
  readonly says: string;
  readonly hint?: string;
  readonly retryable?: boolean;
}

const UNREACHABLE: Meaning = {
  code: 'unreachable',
  says: 'does not answer',
  hint: 'Start the server, or correct host and port.',
};
const GOING_AWAY: Meaning = { code: 'unreachable', says: 'is starting or stopping', hint: 'Wait for it.' };
const RAISE_STATEMENT_TIMEOUT = 'Look for locks and load in pg_stat_activity, or raise statementTimeoutMs.';
const SLOW: Meaning = { code: 'timeout', says: 'took too long', hint: RAISE_STATEMENT_TIMEOUT };
const LOGIN: Meaning = {
  code: 'unauthenticated',
  says: 'refuses the login',
  hint: "Correct user and password (passwordFile), or the server's pg_hba.conf.",
};
const UNPREPARED: Meaning = {
  code: 'mismatch',
  says: 'lacks a table or column of ours',
  hint: 'Correct the schema in the configuration, or let the store be prepared again.',
};
/** Somebody else held the rows; the next attempt finds them free. */
const CONTENTION: Meaning = { code: 'conflict', says: 'gave way to another transaction', retryable: true };
const RECORD: Meaning = { code: 'change-rejected', says: 'cannot hold the row' };

/** By SQLSTATE, the whole code before its class: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  '08': UNREACHABLE,
  '57P04': { code: 'mismatch', says: 'has lost the database', hint: 'Restore it, or correct the database.' },
  '57P': GOING_AWAY,
  '57014': SLOW,
  '55P03': CONTENTION,
  '40': CONTENTION,
  '28': LOGIN,
  '42501': {
    code: 'forbidden',
    says: 'refuses the right',
    hint: "GRANT the user what the message names, or let the schema's owner prepare the store.",
  },
  '3D000': {
    code: 'mismatch',
    says: 'has no such database',
    hint: 'CREATE DATABASE … ENCODING UTF8, or correct it.',
  },
  '3F000': UNPREPARED,
  '42P01': UNPREPARED,
  '42703': UNPREPARED,
  // After a failover the old primary answers like this until the connection is made anew.
  '25006': {
    code: 'mismatch',
    says: 'is read-only (a replica?)',
    hint: 'Point the configuration at the primary.',
    retryable: true,
  },
  '53100': {
    code: 'no-space',
    says: 'has a full disk',
    hint: "Free space on the server's data volume, then go on.",
    retryable: true,
  },
  '53300': {
    code: 'unreachable',
    says: 'has no connection left',
    hint: 'Lower poolSize, or raise max_connections.',
  },
  '53': { code: 'unreachable', says: 'is out of memory or another resource', hint: 'Wait, or give it more.' },
  '58': { code: 'unreachable', says: 'cannot reach its files', hint: "Read the server's log." },
  '0A': { code: 'unsupported', says: 'lacks a feature', hint: 'Use PostgreSQL 14 or newer.' },
  // A trigger of the operator's refuses the row (RAISE EXCEPTION), or a view's check does.
  P0001: RECORD,
  '44': RECORD,
  '21': RECORD,
  '22': RECORD,
  '23': RECORD,
  '54': RECORD,
};

/** Node's codes for a peer that is not there, and pg's own words for a connection that ended. */
const NETWORK_CODES = /^(ECONN|EHOST|ENET|EPIPE|ENOTFOUND|EAI_)/;
const CONNECTION_ENDED =
  /^Connection terminated|connection error and is not queryable|was closed and is not queryable/;
/** By pg's own words, as each deadline of ours is named in them; ETIMEDOUT is the system's own. */
const TIMED_OUT: readonly (readonly [words: RegExp, hint: string])[] = [
  [
    /due to connection timeout/,
    'Check the server and the network to it, correct host and port, or raise connectTimeoutMs.',
  ],
  // All connections were in use for that long.
  [/timeout exceeded when trying to connect/, 'Raise poolSize, or connectTimeoutMs.'],
  [/Query read timeout/, RAISE_STATEMENT_TIMEOUT],
  [/^ETIMEDOUT/, 'Check the server and the network to it, or correct host and port.'],
];
const TLS_CODES = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/;

/** Turns whatever pg throws into one of our errors; `where` is `host:port/database`. */
export function toPostgresError(error: unknown, where: string): ChangeoverError {
  if (error instanceof ChangeoverError) return error;
  const meaning = error instanceof pg.DatabaseError ? meaningOf(error.code ?? '') : meaningOfClient(error);
  const { code, says, ...details } = meaning ?? { code: 'internal' as const, says: 'failed' };
  return new ChangeoverError(code, `Postgres at ${where} ${says}: ${messageOf(error)}`, {
    ...details,
    cause: error,
  });
}

function meaningOf(state: string): Meaning | undefined {
  return MEANINGS[state] ?? MEANINGS[state.slice(0, 3)] ?? MEANINGS[state.slice(0, 2)];
}

function meaningOfClient(error: unknown): Meaning | undefined {
  const code = systemCodeOf(error) ?? '';
  const message = messageOf(error);
  const timedOut = TIMED_OUT.find(([words]) => words.test(`${code} ${message}`.trimStart()));
  if (timedOut !== undefined) {
    const [, hint] = timedOut;
    return { code: 'timeout', says: 'did not answer in time', hint };
  }
  if (NETWORK_CODES.test(code) || CONNECTION_ENDED.test(message)) return UNREACHABLE;
  if (TLS_CODES.test(code) || message.includes('does not support SSL')) {
    return { code: 'config', says: 'cannot be spoken to securely', hint: 'Correct the ssl… options.' };
  }
  // SCRAM fails in the client when there is no password to prove.
  return message.startsWith('SASL') ? LOGIN : undefined;
}

/** True when the connection is still good after this error: the server answered, and about the statement alone. */
export function leavesConnectionUsable(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.severity === 'ERROR' && error.code !== '25006';
}
