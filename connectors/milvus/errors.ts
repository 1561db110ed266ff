import { ChangeoverError, type ErrorCode, messageOf } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';

interface Meaning {
  readonly code: ErrorCode;
  /** Follows "Milvus at host:port". */
  readonly says: string;
  readonly hint?: string;
  readonly retryable?: boolean;
}

const UNREACHABLE: Meaning = {
  code: 'unreachable',
  says: 'does not answer',
  hint: 'Start the server, or correct the address.',
};
const NOT_READY: Meaning = {
  code: 'unreachable',
  says: 'is not ready',
  hint: 'Wait for it to start or recover.',
};
const OVERLOADED: Meaning = {
  code: 'unreachable',
  says: 'is overloaded',
  hint: 'Wait, send less at once (inFlight, batchRows), or give it more memory.',
};
const SLOW: Meaning = {
  code: 'timeout',
  says: 'did not answer in time',
  hint: "Look at the server's health, or raise timeoutMs.",
};
const LOGIN: Meaning = {
  code: 'unauthenticated',
  says: 'refuses the login',
  hint: 'Correct user and password (passwordFile), or the token.',
};
const FORBIDDEN: Meaning = {
  code: 'forbidden',
  says: 'refuses the right',
  hint: 'Grant the user the right to create, load, query and write the collection.',
};
const NO_SPACE: Meaning = {
  code: 'no-space',
  says: 'has a full disk',
  hint: "Free space on the server's volumes, then go on.",
  retryable: true,
};
const RECORD: Meaning = { code: 'change-rejected', says: 'cannot take the data' };
const OLD: Meaning = { code: 'unsupported', says: 'lacks a function', hint: 'Use Milvus 2.3 or newer.' };
const COLLECTION_GONE: Meaning = {
  code: 'mismatch',
  says: 'lacks a collection',
  hint: 'Correct collection and database in the configuration, or let the store be prepared again.',
};

/** https://grpc.io/docs/guides/status-codes/ */
const GRPC: Readonly<Record<number, Meaning>> = {
  1: UNREACHABLE,
  2: UNREACHABLE,
  3: RECORD,
  4: SLOW,
  7: FORBIDDEN,
  8: OVERLOADED,
  10: UNREACHABLE,
  12: OLD,
  13: UNREACHABLE,
  14: UNREACHABLE,
  16: LOGIN,
};

/** https://github.com/milvus-io/milvus/blob/master/pkg/util/merr/errors.go; ranges are [from, below]. */
const SERVER: readonly (readonly [from: number, below: number, meaning: Meaning])[] = [
  [1, 3, NOT_READY],
  [3, 5, OVERLOADED],
  [7, 8, NO_SPACE],
  [8, 11, OVERLOADED],
  [100, 101, COLLECTION_GONE],
  [101, 104, { ...NOT_READY, says: 'has not loaded the collection', hint: 'Wait, or load the collection.' }],
  [500, 700, NOT_READY],
  [700, 703, { ...COLLECTION_GONE, says: 'lacks an index' }],
  [800, 803, { ...COLLECTION_GONE, says: 'has no such database' }],
  [901, 904, NOT_READY],
  [1000, 1100, { ...NOT_READY, says: 'cannot reach its storage' }],
  [1100, 1200, RECORD],
  [1400, 1401, LOGIN],
  [1401, 1500, FORBIDDEN],
];

/** 2.3 answers 65535 for much that has a code of its own in newer servers; then only the words tell. */
const WORDS: readonly (readonly [words: RegExp, meaning: Meaning])[] = [
  // The first is gRPC's own, the second the server's, before it makes such a message.
  [/message larger than max|exceed the maxOutputSize/i, { ...RECORD, says: 'finds the message too large' }],
  [/disk quota|no space left/i, NO_SPACE],
  [/quota|rate limit|deny to write/i, OVERLOADED],
  [/deadline exceeded|timed? ?out/i, SLOW],
  [/context canceled|unavailable|not available|not ready|not healthy|offline|not loaded/i, NOT_READY],
  [/auth(entication|orization)? (check )?fail/i, LOGIN],
];

/** What gRPC puts around the one thing that is worth reading. */
const GRPC_ORNAMENT =
  /^\d+ [A-Z_]+: (No connection established\. Last error: )?(Error: )?| Resolution note: .*$/gs;

/** What one failed call left: a gRPC error, a status of the server's, or an error of the client itself. */
interface Failure {
  readonly grpc?: number;
  readonly server?: number;
  readonly retriable?: boolean;
  readonly reason: string;
}

/** Turns whatever the client throws or resolves with into one of our errors; `where` is the address. */
export function toMilvusError(error: unknown, where: string): ChangeoverError {
  if (error instanceof ChangeoverError) return error;
  const failure = failureOf(error);
  const meaning = meaningOf(failure) ?? { code: 'internal' as const, says: 'failed' };
  const { code, says, ...details } = meaning;
  return new ChangeoverError(code, `Milvus at ${where} ${says}: ${firstLine(failure.reason)}`, {
    ...details,
    cause: error,
  });
}

/** The status inside an answer (or the answer itself, where it is nothing but a status). */
export function statusOf(answer: unknown): Record<string, unknown> | undefined {
  if (!isRecord(answer)) return undefined;
  if (isRecord(answer.status)) return answer.status;
  return 'error_code' in answer ? answer : undefined;
}

/** The server's own number for what went wrong; 0 for nothing, undefined where there is no status. */
export function serverCodeOf(answer: unknown): number | undefined {
  const status = statusOf(answer);
  if (status === undefined) return undefined;
  // Servers before 2.3 have no number, only the name.
  const named = status.error_code === 'Success' || status.error_code === 0 ? 0 : 65_535;
  return Number(status.code) || named;
}

function failureOf(error: unknown): Failure {
  const status = statusOf(error);
  if (status !== undefined) {
    return {
      server: serverCodeOf(error) ?? 0,
      retriable: status.retriable === true,
      reason: String(status.reason || status.detail || status.error_code),
    };
  }
  const grpc = isRecord(error) && typeof error.code === 'number' ? error.code : undefined;
  return { ...(grpc !== undefined && { grpc }), reason: messageOf(error).replace(GRPC_ORNAMENT, '') };
}

function meaningOf({ grpc, server, retriable, reason }: Failure): Meaning | undefined {
  const said = WORDS.find(([words]) => words.test(reason))?.[1];
  // A message that is too large comes as RESOURCE_EXHAUSTED, as an overload does, or without a number of its own.
  if (said?.code === 'change-rejected') return said;
  if (grpc !== undefined) return GRPC[grpc] ?? said;
  if (server !== undefined) {
    const known = SERVER.find(([from, below]) => server >= from && server < below)?.[2];
    return known ?? said ?? (retriable === true ? NOT_READY : undefined);
  }
  // The client turns UNIMPLEMENTED into an empty answer, and then stumbles over it.
  return reason.includes('Cannot read properties of undefined') ? OLD : said;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]?.slice(0, 300) ?? '';
}
