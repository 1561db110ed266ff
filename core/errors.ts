/**
 * Every error that Changeover raises on purpose: what kind it is, whether trying again can help, and what the
 * operator should do. The list of codes is closed; each code has one exit code, documented here and printed by
 * `changeover --help`.
 */

/**
 * | exit | codes | meaning |
 * |---|---|---|
 * | 0 | – | done |
 * | 1 | `internal` | a defect of ours |
 * | 2 | `usage`, `config` | the command line or the configuration is wrong |
 * | 3 | `items-rejected` | the work is done, but some items could not be moved; each is named in the report |
 * | 4 | `holes` | the work is not done: a stretch of a source could not be read |
 * | 5 | `differences` | validation found differences |
 * | 6 | `unreachable`, `timeout` | a server does not answer |
 * | 7 | `unauthenticated`, `forbidden` | a server refuses the credentials or the right to do something |
 * | 8 | `unsupported`, `mismatch` | a version, topic, schema or store is not what this configuration says |
 * | 9 | `gap` | changes are missing from the log |
 * | 10 | `no-space` | a disk is full |
 * | 11 | `change-rejected` | a store refuses a change for a reason that trying again cannot mend |
 * | 12 | `conflict` | somebody else holds what this command needs |
 * | 13 | `not-installed` | a program that the local stack needs is missing |
 * | 14 | `outbox-full` | the log has not taken what was captured for so long that no more may be written |
 * | 15 | `stalled` | records wait for a store, and nothing is committed |
 * | 130 | `aborted` | stopped by the operator |
 */
const EXIT_CODES = {
  internal: 1,
  usage: 2,
  config: 2,
  'items-rejected': 3,
  holes: 4,
  differences: 5,
  unreachable: 6,
  timeout: 6,
  unauthenticated: 7,
  forbidden: 7,
  unsupported: 8,
  mismatch: 8,
  gap: 9,
  'no-space': 10,
  'change-rejected': 11,
  conflict: 12,
  'not-installed': 13,
  'outbox-full': 14,
  stalled: 15,
  aborted: 130,
} as const;

export type ErrorCode = keyof typeof EXIT_CODES;

/** Codes of what may pass by itself: a retry can help. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['unreachable', 'timeout', 'outbox-full']);

export interface ErrorDetails {
  /** What the operator should do, as an instruction. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Overrides what the code says about trying again. */
  readonly retryable?: boolean;
}

export class ChangeoverError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ChangeoverError';
    this.code = code;
    this.hint = details.hint;
    this.retryable = details.retryable ?? PASSING.has(code);
  }

  get exitCode(): number {
    return EXIT_CODES[this.code];
  }
}

/** True for an error after which the same call may succeed. Errors that are not ours are not retryable. */
export function isRetryable(error: unknown): boolean {
  return error instanceof ChangeoverError && error.retryable;
}

/** True where the record itself is at fault: no store or log will take it, however often it is tried. */
export function isRejection(error: unknown): error is ChangeoverError {
  return error instanceof ChangeoverError && error.code === 'change-rejected';
}

export function exitCodeOf(error: unknown): number {
  return error instanceof ChangeoverError ? error.exitCode : EXIT_CODES.internal;
}

/** The message of anything that was thrown; some clients throw plain objects. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(messageOf).join('; ');
  }
  if (error instanceof Error) return error.message;
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message);
  return typeof error === 'string' ? error : JSON.stringify(error);
}

/** The `code` property that Node and most clients put on their errors, or undefined. */
export function systemCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
