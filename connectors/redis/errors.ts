import { ChangeoverError, type ErrorCode, messageOf, systemCodeOf } from '../../core/errors.ts';
import { FULL_OUTBOX_HINT } from '../outbox-errors.ts';

interface Meaning {
  readonly matches: RegExp;
  readonly code: ErrorCode;
  /** Follows "Redis at host:port/db". */
  readonly says: string;
  readonly hint: string;
  readonly retryable?: boolean;
}

/** By what the server says: the first word of its answer, or what a script repeats of it. The first match counts. */
const ANSWERS: readonly Meaning[] = [
  {
    matches: /^(NOAUTH|WRONGPASS)|invalid password|without any password configured/i,
    code: 'unauthenticated',
    says: 'refuses the login',
    hint: 'Correct username and password (passwordFile).',
  },
  {
    matches: /NOPERM|ACL failure|executing the script can't|^DENIED/,
    code: 'forbidden',
    says: 'refuses the right',
    hint: 'ACL SETUSER the user with the command and keys that the message names; a script needs those of its commands too.',
  },
  {
    matches: /MISCONF|No space left/,
    code: 'no-space',
    says: 'cannot write to its disk',
    hint: "Free space on the server's data volume, then go on.",
    retryable: true,
  },
  {
    matches: /\bOOM\b/,
    code: 'no-space',
    says: 'has used up its maxmemory',
    hint: 'Raise maxmemory, or free memory, then go on.',
    retryable: true,
  },
  {
    matches: /^(LOADING|MASTERDOWN|NOREPLICAS|TRYAGAIN|CLUSTERDOWN|ERR max number of clients)|non local key/,
    code: 'unreachable',
    says: 'is not ready',
    hint: 'Wait for it.',
  },
  {
    matches: /^BUSY/,
    code: 'timeout',
    says: 'is busy with a script',
    hint: 'Wait for it, or look for it in SLOWLOG.',
  },
  {
    // After a failover the old primary answers like this until the connection is made anew.
    matches: /READONLY/,
    code: 'mismatch',
    says: 'is a read-only replica',
    hint: 'Point the configuration at the primary.',
    retryable: true,
  },
  {
    matches: /^(MOVED|ASK|CROSSSLOT)/,
    code: 'unsupported',
    says: 'is a node of a Redis Cluster',
    hint: 'Name some nodes in legacy.redis.cluster, in place of url, host and port.',
  },
  {
    matches: /cluster support disabled/,
    code: 'config',
    says: 'is no Redis Cluster',
    hint: 'Give a single server as url, or as host and port, and no cluster.',
  },
  {
    matches: /^(ERR )?(DB index is out of range|invalid DB index)/,
    code: 'mismatch',
    says: 'has no such database',
    hint: "Correct db, or raise the server's databases.",
  },
  {
    matches: /CHANGEOVER full/,
    code: 'outbox-full',
    says: 'has a full outbox',
    hint: FULL_OUTBOX_HINT,
  },
  {
    matches: /CHANGEOVER lost/,
    code: 'conflict',
    says: 'has given the outbox to another relay',
    hint: 'Nothing to do: the other one goes on.',
  },
  {
    matches: /CHANGEOVER/,
    code: 'mismatch',
    says: 'holds bookkeeping that is not ours',
    hint: 'Give bookkeepingPrefix a beginning that nothing else uses.',
  },
  {
    matches: /WRONGTYPE/,
    code: 'mismatch',
    says: 'holds something else under a key of ours',
    hint: 'Give bookkeepingPrefix a beginning that nothing else uses.',
  },
  {
    matches: /unknown command/,
    code: 'unsupported',
    says: 'lacks a command',
    hint: 'Use Redis 6.2 or newer, with the command enabled.',
  },
];

/** By what ioredis and Node say of the connection. */
const CONNECTION: readonly Meaning[] = [
  {
    matches: /Command timed out|Socket timeout/,
    code: 'timeout',
    says: 'took too long',
    hint: 'Look for load in SLOWLOG, or raise commandTimeoutMs.',
  },
  {
    matches: /ETIMEDOUT/,
    code: 'timeout',
    says: 'did not answer in time',
    hint: 'Correct host, port and tls, or raise connectTimeoutMs.',
  },
  {
    matches: /ERR_TLS|ERR_SSL|EPROTO|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|certificate|wrong version number/,
    code: 'config',
    says: 'cannot be spoken to securely',
    hint: 'Correct the tls… options.',
  },
  {
    matches:
      /ECONN|EHOST|ENET|EPIPE|ENOTFOUND|EAI_|onnection is closed|onnection close|isn't writeable|isn't ready|max retries per request|refresh slots cache|Cluster redirections|Cluster is ended/,
    code: 'unreachable',
    says: 'does not answer',
    hint: 'Start the server, or correct host and port.',
  },
];

/** Turns whatever ioredis throws into one of our errors; `where` is `host:port/db`. */
export function toRedisError(error: unknown, where: string): ChangeoverError {
  if (error instanceof ChangeoverError) return error;
  // OpenSSL ends its messages with a line break.
  const message = messageOf(error).replaceAll(/\s+/g, ' ').trim();
  const meaning = isAnswer(error)
    ? ANSWERS.find(({ matches }) => matches.test(message))
    : CONNECTION.find(({ matches }) => matches.test(`${systemCodeOf(error) ?? ''} ${message}`));
  const { code, says, hint, retryable } = meaning ?? { code: 'internal' as const, says: 'failed' };
  return new ChangeoverError(code, `Redis at ${where} ${says}: ${message}`, {
    ...(hint !== undefined && { hint }),
    ...(retryable !== undefined && { retryable }),
    cause: withoutArguments(error),
  });
}

/** ioredis puts the whole command on its errors: passwords and data, which must not end up in a log. */
function withoutArguments(error: unknown): unknown {
  if (error instanceof Error && 'command' in error) delete error.command;
  return error;
}

/** Whether it is an answer of the server, not trouble with the connection. */
export function isAnswer(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

export function isWrongType(error: unknown): boolean {
  return isAnswer(error) && error.message.startsWith('WRONGTYPE');
}

export function isUnknownScript(error: unknown): boolean {
  return isAnswer(error) && error.message.startsWith('NOSCRIPT');
}

const UNSENT =
  /^(Stream isn't writeable|Cluster isn't ready|Too many Cluster redirections\. Last error: ReplyError: (TRYAGAIN|MOVED|ASK|CLUSTERDOWN))/;

/**
 * Whether the command was certainly not begun: it never left this process, because there was no connection and it was not
 * queued for one, or the nodes of a cluster sent it to one another.
 */
export function isUnsent(error: unknown): boolean {
  return error instanceof Error && UNSENT.test(error.message);
}

/** Whether a script refused a write because the outbox is full. Whoever writes decides when to try again. */
export function isFullOutbox(error: unknown): boolean {
  return error instanceof Error && error.message.includes('CHANGEOVER full');
}
