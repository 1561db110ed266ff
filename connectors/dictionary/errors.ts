import { ChangeoverError, type ErrorDetails, messageOf, systemCodeOf } from '../../core/errors.ts';

type Translation = (doing: string, error: unknown) => ChangeoverError;

const because =
  (code: ChangeoverError['code'], reason: string, details: ErrorDetails): Translation =>
  (doing, cause) =>
    new ChangeoverError(code, `Cannot ${doing}: ${reason}.`, { ...details, cause });

const forbidden = because('forbidden', 'the operating system refuses it', {
  hint: 'Give the user that runs changeover the right to the file and its folder, or name another file.',
});
// Space comes back when somebody makes room: a follower waits for it rather than losing its place.
const noSpace = because('no-space', 'the disk is full', {
  hint: 'Make room on that disk; work goes on by itself.',
  retryable: true,
});
const tooManyFiles = because('unreachable', 'too many files are open', {
  hint: 'Raise the limit of open files (ulimit -n).',
});

/** What the operating system's error codes mean here. */
const TRANSLATIONS: Readonly<Record<string, Translation>> = {
  ENOENT: because('unreachable', 'there is no such file', {
    hint: 'Check `file` in the configuration; `create: true` makes an empty legacy dictionary.',
    retryable: false,
  }),
  ENOTDIR: because('config', 'a part of the path is no folder', {
    hint: 'Check `file` in the configuration.',
  }),
  EISDIR: because('config', 'it is a folder', { hint: 'Name the JSON file itself.' }),
  EACCES: forbidden,
  EPERM: forbidden,
  EROFS: forbidden,
  ENOSPC: noSpace,
  EDQUOT: noSpace,
  EMFILE: tooManyFiles,
  ENFILE: tooManyFiles,
};

/** Everything that a file operation throws as one of ours. `doing` completes "Cannot …" and names the file. */
export function dictionaryError(error: unknown, doing: string): ChangeoverError {
  if (error instanceof ChangeoverError) return error;
  const translation = TRANSLATIONS[systemCodeOf(error) ?? ''];
  if (translation !== undefined) return translation(doing, error);
  return new ChangeoverError('unreachable', `Cannot ${doing}: ${messageOf(error)}`, {
    cause: error,
    hint: 'Look at the health of the disk that holds the dictionary.',
  });
}

/** Runs the work; what it throws becomes one of ours. */
export async function translated<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw dictionaryError(error, doing);
  }
}

/** Is it that a file is not there? Also when the error is one of ours already. */
export function isMissing(error: unknown): boolean {
  return systemCodeOf(error instanceof ChangeoverError ? error.cause : error) === 'ENOENT';
}
