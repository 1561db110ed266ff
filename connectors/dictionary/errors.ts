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

/** A legacy dictionary that is not there before anything was done with it: no server is away, a path is wrong or it is too early. */
export function noDictionary(base: string, cause: unknown): ChangeoverError {
  return new ChangeoverError('config', `There is no dictionary ${base}.`, {
    cause,
    hint: 'Check `legacy.dictionary.file`, or start the application that makes it. Where there is none yet, `legacy.dictionary.create: true` makes an empty one.',
  });
}

export function notAnObject(reason: string): ChangeoverError {
  return new ChangeoverError('mismatch', `The dictionary is no JSON object: ${reason}.`, {
    hint: 'The file must be one JSON object, agent id → agent. Check `file` in the configuration.',
  });
}

/** The journal was put there from an older copy without the file beside it: new entries would count as relayed. */
export function relayedTooFar(base: string, relayed: string): ChangeoverError {
  return new ChangeoverError(
    'mismatch',
    `${relayed} says that more was relayed of what ${base} captured than its journal has ever held.`,
    {
      hint: `Restore the dictionary with all files beside it from a copy of one moment. Or move ${relayed} away: what the journal holds is relayed once more, which is harmless.`,
    },
  );
}

interface DamagedPlace {
  readonly line: number;
  readonly offset: number;
  readonly reason: string;
}

/** For who would write the file anew: what cannot be read would be lost. */
export function damageError(path: string, { line, offset, reason }: DamagedPlace): ChangeoverError {
  return new ChangeoverError(
    'mismatch',
    `The dictionary ${path} is damaged in line ${line} (byte ${offset}): ${reason}.`,
    {
      hint: 'It can be read, but is not written to while it is so. Mend it or restore it from a copy.',
    },
  );
}

/** Somebody else has written the base since Changeover did: what it knows of versions is of another content. */
export function notTheirBase(base: string): ChangeoverError {
  return new ChangeoverError(
    'conflict',
    `${base} is not the file that its versions were written for: somebody else has written it since.`,
    {
      hint: `Put back what Changeover wrote, from a copy. If the application is to be the file's only writer again, move ${base}.versions and ${base}.journal away instead: everything in the file then counts as never versioned.`,
    },
  );
}

/** One of the two was put there from a copy without the other, or is gone. */
export function notOfOneMoment(base: string, journal: number, versions: number): ChangeoverError {
  const versionsFile = versions === 0 ? 'there is no versions file' : `${base}.versions is of ${versions}`;
  return new ChangeoverError(
    'mismatch',
    `The files of ${base} are not of one moment: its journal follows ${journal} compactions, and ${versionsFile}.`,
    {
      hint: `Restore the dictionary with all files beside it from a copy of one moment, and replay the log. Or move ${base}.journal away, and what it held is lost.`,
    },
  );
}

/** The journal says that a file of the next generation is complete, and there is no such file. */
export function notAsAnnounced(base: string, name: string): ChangeoverError {
  return new ChangeoverError(
    'mismatch',
    `The journal of ${base} says that a compaction has written ${name}, but no such file, or one of other content, is there.`,
    {
      hint: 'Nothing was changed: the journal still holds what was to be in it. Put that file back beside the dictionary; or restore the dictionary with all files beside it from a copy of one moment, and replay the log.',
    },
  );
}
