import type { ErrorCode } from '../../core/errors.ts';

/** What a failure of the driver or the server means to us. */
export interface Meaning {
  readonly code: ErrorCode;
  /** In place of the server's own words, which speak of drivers and transactions. */
  readonly says?: string;
  readonly hint?: string;
  readonly retryable?: boolean;
}

const FORBIDDEN: Meaning = {
  code: 'forbidden',
  hint: 'Grant the user the right to read, write and make indexes and constraints.',
};
const READ_ONLY: Meaning = {
  code: 'forbidden',
  says: 'the database is read-only',
  hint: 'Make the database writable, or name another one.',
};
const LOGIN: Meaning = {
  code: 'unauthenticated',
  says: 'the server refuses the user or the password',
  hint: 'Check user and password (or passwordFile).',
};
const IN_THE_WAY: Meaning = {
  code: 'conflict',
  hint: 'Drop the index or constraint that is in the way, then start again.',
};
const SLOW: Meaning = { code: 'timeout', hint: 'Raise queryTimeoutMs, or lower batchSize.' };
const PASSING_CONFLICT: Meaning = { code: 'conflict', retryable: true };
const PASSING: Meaning = { code: 'unreachable' };
const RECORD: Meaning = { code: 'change-rejected' };
const UNREACHABLE: Meaning = {
  code: 'unreachable',
  hint: 'Check the address, and that the server is running and can be reached from here.',
};

/**
 * By category and title of the server's status code, `Neo.<class>.<category>.<title>`. Not by its class, which server and driver have changed
 * for one and the same thing. The titles are those of 5.26 (org.neo4j.kernel.api.exceptions.Status).
 */
const BY_TITLE: Readonly<Record<string, Meaning>> = {
  // What 5.26 says on a full disk; from then on the database refuses everything until the server is restarted.
  'Transaction.TransactionLogError': {
    code: 'no-space',
    says: 'it cannot write its transaction log; most likely its disk is full',
    hint: "Make room on the server's disk and restart the server, then go on.",
    retryable: true,
  },
  // What 5.26 says, too, when the disk is full for a store file and not for the log. The next one begins no transaction any more.
  'Transaction.TransactionCommitFailed': {
    code: 'unreachable',
    says: 'it could not finish a transaction; most likely its disk is full, or the database has stopped after a critical error',
    hint: 'Look in its debug.log, make room on its disk or mend what it names, and restart the server.',
  },
  'Transaction.TransactionStartFailed': {
    code: 'unreachable',
    says: 'the database begins no transaction; most likely it has stopped after a critical error',
    hint: 'Look in its debug.log (a full disk does this), mend the cause, and restart the server.',
  },
  'Transaction.TransactionTimedOut': SLOW,
  'Transaction.TransactionTimedOutClientConfiguration': SLOW,
  // By an operator, or because the database stops; the driver makes a ClientError of it.
  'Transaction.Terminated': PASSING,
  'Transaction.DeadlockDetected': PASSING_CONFLICT,
  'Transaction.LockClientStopped': PASSING_CONFLICT,
  'Transaction.LockAcquisitionTimeout': PASSING_CONFLICT,
  'General.TransactionOutOfMemoryError': RECORD,
  'General.DatabaseUnavailable': PASSING,
  'General.ForbiddenOnReadOnlyDatabase': READ_ONLY,
  'General.WriteOnReadOnlyAccessDatabase': READ_ONLY,
  'Database.DatabaseUnavailable': PASSING,
  // Of a cluster that is addressed as one server: another one of it leads now.
  'Cluster.NotALeader': PASSING,
  'Database.DatabaseNotFound': {
    code: 'mismatch',
    says: 'the server has no such database',
    hint: 'Check the name of the database.',
  },
  'Security.Unauthorized': LOGIN,
  'Security.TokenExpired': LOGIN,
  'Security.MissingCredentials': LOGIN,
  'Security.AuthenticationRateLimit': {
    code: 'unauthenticated',
    says: 'too many wrong passwords; the server refuses even the right one for a while',
    hint: 'Check user and password, wait some seconds, then start again.',
  },
  'Security.CredentialsExpired': {
    code: 'unauthenticated',
    says: 'the password has to be changed before it can be used',
    hint: "Run ALTER CURRENT USER SET PASSWORD FROM '…' TO '…' on the database system.",
  },
  'Security.AuthorizationExpired': { code: 'unauthenticated', retryable: true },
  // A node that was found is gone before the statement used it: somebody else deleted it meanwhile.
  'Statement.EntityNotFound': PASSING_CONFLICT,
  'Statement.TypeError': RECORD,
  'Statement.ArgumentError': RECORD,
  'Statement.ConstraintVerificationFailed': RECORD,
  'Schema.EquivalentSchemaRuleAlreadyExists': IN_THE_WAY,
  'Schema.IndexAlreadyExists': IN_THE_WAY,
  'Schema.ConstraintAlreadyExists': IN_THE_WAY,
  'Schema.IndexWithNameAlreadyExists': IN_THE_WAY,
  'Schema.ConstraintWithNameAlreadyExists': IN_THE_WAY,
  'Schema.ConstraintCreationFailed': {
    code: 'mismatch',
    hint: 'Merge or remove the nodes that have one id, then start again.',
  },
  'Schema.ConstraintValidationFailed': RECORD,
  'Schema.TokenNameError': RECORD,
};

/** A rule for codes under which the server or driver says several things, so that only the text tells which. */
type TextRule = readonly [codes: RegExp, text: RegExp, meaning: Meaning];

/**
 * Tried before the titles. Texts quote what was written, so each is asked for only under a code that says nothing, and where a value could
 * stand in front of it, at its beginning.
 */
const BY_TEXT: readonly TextRule[] = [
  // `ExecutionFailed` is whatever no other code is for; this one quotes the value.
  [/^Neo\.DatabaseError\.Statement\.ExecutionFailed$/, /^Property value is too large to index/, RECORD],
  [
    // What the operating system says to a write, or Neo4j itself when it makes a store file larger. There is no code for it.
    /^Neo\.DatabaseError\.(General\.UnknownError|Statement\.ExecutionFailed|Transaction\.\w+)$/,
    /No space left on device|^System is out of disk space/m,
    {
      code: 'no-space',
      says: 'its disk is full',
      hint: "Make room on the server's disk, then go on.",
      retryable: true,
    },
  ],
  // The driver's own failures have no code but this one.
  [
    /^N\/A$/,
    /^Server responded HTTP/,
    {
      code: 'mismatch',
      says: 'it answers as a web server does',
      hint: 'Name the Bolt port (7687 by default), not the HTTP port.',
    },
  ],
  [
    /^N\/A$/,
    /^Connection acquisition timed out/,
    {
      code: 'timeout',
      says: 'no connection in time',
      hint: 'Check the address and the server; raise connectTimeoutMs, or poolSize if all connections are in use.',
    },
  ],
  [
    // Its driver was given up while it was about to try again (driver-client.ts).
    /^N\/A$/,
    /^Pool is closed/,
    {
      code: 'unreachable',
      says: 'its connections were given up, because another call had no answer in time',
      hint: 'Check the server and the network to it.',
    },
  ],
  [
    // Every failure of the socket has one of these two codes.
    /^(ServiceUnavailable|SessionExpired)$/,
    /certificate|self.signed|wrong version number|SSL|TLS/,
    { code: 'unreachable', hint: 'Check the address: bolt+s:// and neo4j+s:// need TLS on the server.' },
  ],
  [
    // A connection that breaks while the driver makes it or makes it ready for its next user; it takes that for an answer.
    /^ProtocolError$/,
    /Failed to connect to server|Connection was closed by server|Connection lost|as a response for RESET/,
    UNREACHABLE,
  ],
];

/** Undefined for what nobody has met: most likely a defect of ours. */
export function meaningOf(code: string, message: string): Meaning | undefined {
  const told = BY_TEXT.find(([codes, text]) => codes.test(code) && text.test(message));
  if (told !== undefined) return told[2];
  const [, family, category, title] = /^Neo\.(\w+)\.(\w+)\.(\w+)$/.exec(code) ?? [];
  if (family === undefined) {
    return code === 'ServiceUnavailable' || code === 'SessionExpired' ? UNREACHABLE : undefined;
  }
  const known = BY_TITLE[`${category}.${title}`];
  if (known !== undefined) return known;
  if (category === 'Security') return FORBIDDEN;
  return family === 'TransientError' ? PASSING : undefined;
}
