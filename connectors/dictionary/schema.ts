import { access, constants, type FileHandle, mkdir } from 'node:fs/promises';
import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { retry } from '../../core/retry.ts';
import { isMissing, noDictionary, notAnObject, translated } from './errors.ts';
import { createJournal, type JournalHeader, type Mark, readJournalHeader } from './journal/journal.ts';
import { takeLock } from './journal/lock.ts';
import { type DictionaryPaths, openIfThere, replaceFile } from './paths.ts';
import { identityOf, isGzip } from './read/base-file.ts';
import { VersionsFile } from './read/versions-file.ts';

const EMPTY_DICTIONARY = '{}\n';
/** A file of at most this many bytes holds no agent; a bigger one may. */
const EMPTY_BYTES = 8;

export interface PrepareOptions {
  readonly paths: DictionaryPaths;
  readonly mark: Mark;
  /** Whether a missing legacy dictionary is made; a missing target always is. */
  readonly create: boolean;
}

/**
 * Leaves the mark of the role: the header of the journal. A legacy dictionary that cannot be written to (no right to,
 * or packed) is only read, and needs none.
 */
export async function prepareDictionary(options: PrepareOptions): Promise<void> {
  const { paths, mark, create } = options;
  if (await isMarked(paths, mark)) return;
  if (mark.role === 'legacy' && (await lookAt(paths, { mayBeMissing: create })).packed) return;
  try {
    await claimWithLock(options);
  } catch (error) {
    const readOnly = error instanceof ChangeoverError && error.code === 'forbidden';
    if (!readOnly || mark.role === 'target') throw error;
  }
}

async function claimWithLock(options: PrepareOptions): Promise<void> {
  const { paths, mark, create } = options;
  if (mark.role === 'target' || create) await makeFolder(paths);
  // Two that prepare at once: the one that comes second finds the mark of the first.
  const lock = await retry(
    async () => ((await readMark(paths)) === undefined ? takeLock(paths.lock) : undefined),
    {
      policy: { attempts: 12, initialDelayMs: 20, maxDelayMs: 500 },
      clock: systemClock,
      retryable: (error) => error instanceof ChangeoverError && error.code === 'conflict',
    },
  );
  try {
    await claim(options);
  } finally {
    await lock?.release();
  }
}

/** Makes the place ours, with the lock held. What is there of the other role, or of somebody else, is left alone. */
export async function claim({ paths, mark, create }: PrepareOptions): Promise<void> {
  if (await isMarked(paths, mark)) return;
  const mayBeMissing = create || mark.role === 'target';
  const { there, bytes } = await lookAt(paths, { mayBeMissing });
  if (mark.role === 'target' && bytes > EMPTY_BYTES) {
    throw new ChangeoverError(
      'conflict',
      `${paths.base} holds a dictionary that Changeover did not make, so it is no place for ${mark.name}.`,
      { hint: 'Give the target a file of its own; a legacy dictionary belongs under `legacy`.' },
    );
  }
  await translated(`make the dictionary ${paths.base}`, async () => {
    if (!there) await replaceFile(paths.base, EMPTY_DICTIONARY);
    // Versions are there when somebody has moved the journal away: what it held is lost, and what they say holds.
    const versions = await VersionsFile.open(paths.versions);
    await versions?.close();
    await createJournal(paths.journal, mark, versions?.generation ?? 0);
  });
}

/** Throws `conflict` for the mark of the other role. */
async function isMarked(paths: DictionaryPaths, mark: Mark): Promise<boolean> {
  const found = await readMark(paths);
  if (found === undefined) return false;
  if (found.role === mark.role) return true;
  throw new ChangeoverError(
    'conflict',
    `The dictionary ${paths.base} belongs to ${found.name} (${found.role}); ${mark.name} (${mark.role}) must not use it too.`,
    { hint: 'Give each role a file of its own.' },
  );
}

export async function readMark(paths: DictionaryPaths): Promise<JournalHeader | undefined> {
  return translated(`read the journal ${paths.journal}`, async () => {
    const file = await openIfThere(paths.journal);
    try {
      return file === undefined ? undefined : await readJournalHeader(file, paths.journal);
    } finally {
      await file?.close();
    }
  });
}

/** The folder has to be there before the lock can be taken. */
async function makeFolder({ folder }: DictionaryPaths): Promise<void> {
  await translated(`make the folder ${folder}`, () => mkdir(folder, { recursive: true }));
}

export interface Appearance {
  readonly there: boolean;
  readonly bytes: number;
  readonly packed: boolean;
}

const MISSING: Appearance = { there: false, bytes: 0, packed: false };

/** A sign of life: the file is there, can be read, and begins as a dictionary does. Reads a few bytes only. */
export async function lookAt(
  { base }: DictionaryPaths,
  { mayBeMissing }: { readonly mayBeMissing: boolean },
): Promise<Appearance> {
  try {
    return await translated(`read the dictionary ${base}`, () => look(base));
  } catch (error) {
    if (!isMissing(error)) throw error;
    if (mayBeMissing) return MISSING;
    throw noDictionary(base, error);
  }
}

async function look(base: string): Promise<Appearance> {
  const file = await openFile(base);
  try {
    const { size } = await identityOf(file, base);
    const packed = await isGzip(file);
    if (!packed) await assertObject(file);
    return { there: true, bytes: Number(size), packed };
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  const file = await openIfThere(path);
  if (file !== undefined) return file;
  throw Object.assign(new Error(`${path} is not there`), { code: 'ENOENT' });
}

const FIRST_BYTES = 4096;

async function assertObject(file: FileHandle): Promise<void> {
  const bytes = Buffer.alloc(FIRST_BYTES);
  const { bytesRead } = await file.read(bytes, 0, FIRST_BYTES, 0);
  // trimStart takes a byte order mark away too.
  const text = bytes.toString('utf8', 0, bytesRead).trimStart();
  if (text === '' && bytesRead === FIRST_BYTES) return;
  if (text === '') throw notAnObject('there is nothing in it');
  if (!text.startsWith('{')) throw notAnObject(`it begins with ${JSON.stringify(text.slice(0, 1))}`);
}

/** Whether the dictionary and its files can be written. */
export async function isWritable(paths: DictionaryPaths): Promise<boolean> {
  if ((await lookAt(paths, { mayBeMissing: true })).packed) return false;
  try {
    await access(paths.folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
