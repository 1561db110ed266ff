/** Turns what a program or a server left behind into one error that says what happened and what to do. */
import { statfsSync } from 'node:fs';
import { ChangeoverError, type ErrorCode, messageOf, systemCodeOf } from '../core/errors.ts';
import type { ServiceName } from './addresses.ts';
import { lastLines } from './programs.ts';

const SHOWN_LINES = 12;
const SHOWN_COLUMNS = 300;
const FULL_BELOW_BYTES = 32 * 1024 * 1024;

interface KnownCause {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly what: string;
  readonly hint: string;
}

const DISK_FULL = {
  code: 'no-space',
  what: 'the disk is full',
  hint: 'Free some space (`changeover stack reset` deletes the data of this stack), then run `changeover stack up` again.',
} as const;

const DISK_FULL_PATTERN = /no space left on device|ENOSPC|disk quota exceeded/i;

const KNOWN_CAUSES: readonly KnownCause[] = [
  { pattern: DISK_FULL_PATTERN, ...DISK_FULL },
  {
    pattern: /address already in use|failed to bind|could not bind/i,
    code: 'conflict',
    what: 'another program took its port',
    hint: 'Run `changeover stack up` again: it chooses other ports.',
  },
  {
    pattern: /cannot allocate memory|insufficient memory|OutOfMemoryError|out of memory/i,
    code: 'unreachable',
    what: 'there is not enough memory',
    hint: 'The whole stack takes 1 GB when it is new and up to 3 GB at work. End other programs, or start fewer services.',
  },
];

export interface StartFailure {
  readonly service: ServiceName;
  /** Such as "ended while starting". */
  readonly what: string;
  readonly code: ErrorCode;
  readonly logFile: string;
  /** What this start wrote to the log. */
  readonly log: string;
  readonly dataDir: string;
  readonly cause?: unknown;
}

export function startFailure(failure: StartFailure): ChangeoverError {
  const known = isDiskFull(failure.dataDir) ? DISK_FULL : knownCause(failure.log);
  const what = known === undefined ? failure.what : `${failure.what}: ${known.what}`;
  return new ChangeoverError(
    known?.code ?? failure.code,
    `${failure.service} ${what}. Its log is ${failure.logFile}${shown(failure.log)}`,
    {
      hint:
        known?.hint ??
        'Read the log. `changeover stack up` tries again on the same data, `changeover stack reset` deletes the data.',
      retryable: false,
      cause: failure.cause,
    },
  );
}

/** For a package manager that did not deliver. */
export function downloadFailure(what: string, output: string): ChangeoverError {
  const full = DISK_FULL_PATTERN.test(output);
  return new ChangeoverError(
    full ? 'no-space' : 'unreachable',
    `${what} could not be downloaded${shown(output)}`,
    {
      hint: full
        ? 'Free some space, then run the command again.'
        : 'Check the network (and proxy settings), then run the command again. It is needed once: downloads are kept.',
      retryable: false,
    },
  );
}

/** An error of the file system in words; anything else as it is. */
export function asFolderFailure(error: unknown, dir: string): unknown {
  switch (systemCodeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new ChangeoverError('no-space', `The disk of ${dir} is full`, {
        hint: DISK_FULL.hint,
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new ChangeoverError('config', `No permission to write in ${dir} (${messageOf(error)})`, {
        hint: 'Choose another data folder, or run as the user who owns this one.',
        cause: error,
      });
    default:
      return error;
  }
}

function knownCause(log: string): KnownCause | undefined {
  return KNOWN_CAUSES.find((cause) => cause.pattern.test(log));
}

function shown(output: string): string {
  const lines = lastLines(output, SHOWN_LINES).map((line) => `\n  | ${line.slice(0, SHOWN_COLUMNS)}`);
  return lines.length === 0 ? '; nothing was written to it' : `; last lines:${lines.join('')}`;
}

function isDiskFull(dir: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize < FULL_BELOW_BYTES;
  } catch {
    return false;
  }
}
