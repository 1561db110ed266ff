import { Neo4jError } from 'neo4j-driver';
import { ChangeoverError, type ErrorCode, messageOf } from '../../core/errors.ts';

interface Meaning {
  readonly code: ErrorCode;
  /** In place of the server's own words, which speak of drivers and transactions. */
  readonly says?: string;
  readonly hint?: string;
  readonly retryable?: boolean;
}

type Rule = readonly [code: RegExp, pattern: RegExp | null, meaning: Meaning];

const OUT_OF_MEMORY = /General\.TransactionOutOfMemoryError$/;

/** The first rule whose code (and message, where one is given) fits says what an error of the server means. */
const RULES: readonly Rule[] = [
  [
    /./,
    /no space left|out ?of ?disk ?space|disk (is )?full/i,
    {
      code: 'no-space',
      says: 'its disk is full',
      hint: "Make room on the server's disk, then go on.",
      retryable: true,
    },
  ],
  [
    // What 5.26 says on a full disk; from then on the database refuses everything until the server is restarted.
    /Transaction\.TransactionLogError$/,
    null,
    {
      code: 'no-space',
      says: 'it cannot write its transaction log; most likely its disk is full',
      hint: "Make room on the server's disk and restart the server, then go on.",
      retryable: true,
    },
  ],
  [
    /Transaction\.TransactionStartFailed$/,
    /needs to be restarted/,
    {
      code: 'unreachable',
      says: 'the database has stopped after a critical error',
      hint: 'Look in its debug.log (a full disk does this), mend the cause, and restart the server.',
    },
  ],
  [
    /./,
    /^Server responded HTTP/,
    {
      code: 'mismatch',
      says: 'it answers as a web server does',
      hint: 'Name the Bolt port (7687 by default), not the HTTP port.',
    },
  ],
  [
    /./,
    /^Connection acquisition timed out/,
    {
      code: 'timeout',
      says: 'no connection in time',
      hint: 'Check the address and the server; raise connectTimeoutMs, or poolSize if all connections are in use.',
    },
  ],
  [
    // Its driver was given up while it was about to try again (driver-client.ts).
    /./,
    /^Pool is closed/,
    {
      code: 'unreachable',
      says: 'its connections were given up, because another call had no answer in time',
      hint: 'Check the server and the network to it.',
    },
  ],
  [
    /^(ServiceUnavailable|SessionExpired)$/,
    /certificate|self.signed|wrong version number|SSL|TLS/,
    { code: 'unreachable', hint: 'Check the address: bolt+s:// and neo4j+s:// need TLS on the server.' },
  ],
  [
    /^(ServiceUnavailable|SessionExpired)$/,
    null,
    {
      code: 'unreachable',
      hint: 'Check the address, and that the server is running and can be reached from here.',
    },
  ],
  [
    // A connection that breaks while the driver makes it or makes it ready for its next user; it takes that for an answer.
    /^ProtocolError$/,
    /Failed to connect to server|Connection was closed by server|Connection lost|as a response for RESET/,
    {
      code: 'unreachable',
      hint: 'Check the address, and that the server is running and can be reached from here.',
    },
  ],
  [
    /Security\.(Unauthorized|TokenExpired|MissingCredentials)$/,
    null,
    {
      code: 'unauthenticated',
      says: 'the server refuses the user or the password',
      hint: 'Check user and password (or passwordFile).',
    },
  ],
  [
    /Security\.AuthenticationRateLimit$/,
    null,
    {
      code: 'unauthenticated',
      says: 'too many wrong passwords; the server refuses even the right one for a while',
      hint: 'Check user and password, wait some seconds, then start again.',
    },
  ],
  [
    /Security\.CredentialsExpired$/,
    null,
    {
      code: 'unauthenticated',
      says: 'the password has to be changed before it can be used',
      hint: "Run ALTER CURRENT USER SET PASSWORD FROM '…' TO '…' on the database system.",
    },
  ],
  [/Security\.AuthorizationExpired$/, null, { code: 'unauthenticated', retryable: true }],
  [
    /ForbiddenOnReadOnlyDatabase|WriteOnReadOnlyAccess(Mode|Database)|Database\.ReadOnly/,
    null,
    {
      code: 'forbidden',
      says: 'the database is read-only',
      hint: 'Make the database writable, or name another one.',
    },
  ],
  [
    /Security\./,
    null,
    { code: 'forbidden', hint: 'Grant the user the right to read, write and make indexes and constraints.' },
  ],
  [
    /Database\.DatabaseNotFound$/,
    null,
    { code: 'mismatch', says: 'the server has no such database', hint: 'Check the name of the database.' },
  ],
  [
    /Transaction\.TransactionTimedOut/,
    null,
    { code: 'timeout', hint: 'Raise queryTimeoutMs, or lower batchSize.' },
  ],
  [
    /(DeadlockDetected|LockClientStopped|LockAcquisitionTimeout)/,
    null,
    { code: 'conflict', retryable: true },
  ],
  // A node that was found is gone before the statement used it: somebody else deleted it meanwhile.
  [/Statement\.EntityNotFound$/, null, { code: 'conflict', retryable: true }],
  [OUT_OF_MEMORY, null, { code: 'change-rejected' }],
  [/^Neo\.TransientError\./, null, { code: 'unreachable' }],
  [/Database\.DatabaseUnavailable|General\.DatabaseUnavailable/, null, { code: 'unreachable' }],
  [
    /Schema\.(IndexAlreadyExists|ConstraintAlreadyExists|IndexWithNameAlreadyExists|ConstraintWithNameAlreadyExists)$/,
    null,
    { code: 'conflict', hint: 'Drop the index or constraint that is in the way, then start again.' },
  ],
  [
    /Schema\.ConstraintCreationFailed$/,
    null,
    { code: 'mismatch', hint: 'Merge or remove the nodes that have one id, then start again.' },
  ],
  [/Schema\.(ConstraintValidationFailed|TokenNameError)$/, null, { code: 'change-rejected' }],
  [/Statement\.(TypeError|ArgumentError|ConstraintVerificationFailed)$/, null, { code: 'change-rejected' }],
  [/Statement\.ExecutionFailed$/, /too large to index/i, { code: 'change-rejected' }],
];

/**
 * What a failure of the driver or server means to us. `change-rejected` is a fault of the records that were written:
 * the sink looks for the one. What is no error of the driver (a defect, an abort) stays as it is.
 */
export function neo4jError(error: unknown, where: string): unknown {
  if (!(error instanceof Neo4jError)) return error;
  const message = messageOf(error);
  const rule = RULES.find(
    ([code, pattern]) => code.test(error.code) && (pattern === null || pattern.test(message)),
  );
  const { code, says, ...details } = rule?.[2] ?? { code: 'internal' as const };
  return new ChangeoverError(code, `${where}: ${says ?? factOf(message)}`, { ...details, cause: error });
}

/** A batch of one that the server has no memory for is not too large: others are using it up, and that passes. */
export function asPassingMemory(error: ChangeoverError): ChangeoverError {
  const { cause } = error;
  if (!(cause instanceof Neo4jError) || !OUT_OF_MEMORY.test(cause.code)) return error;
  const hint = 'Wait for the load to pass, or raise dbms.memory.transaction.total.max.';
  return new ChangeoverError('unreachable', error.message, { hint, cause });
}

/** The driver puts advice before the fact in some messages, and the server some after it. */
function factOf(message: string): string {
  const [line = message] = message.split('\n');
  const causedBy = line.indexOf('Caused by: ');
  return (causedBy === -1 ? line : `does not answer (${line.slice(causedBy + 'Caused by: '.length)})`).trim();
}
