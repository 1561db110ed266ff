import { realpathSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { systemCodeOf } from '../../core/errors.ts';
import { isMissing } from './errors.ts';

/** The files of one dictionary. They live side by side, so that they move and are backed up together. */
export interface DictionaryPaths {
  /** The legacy JSON file. */
  readonly base: string;
  /** Changes since the base was written; its header is the mark of the role. */
  readonly journal: string;
  /** What the legacy shape has no place for: versions, tombstones, ties of agents that are not there. */
  readonly versions: string;
  /** Who may write. */
  readonly lock: string;
  /** Whether the application's writes are captured. */
  readonly capture: string;
  /** What the log has confirmed of what was captured. */
  readonly relayed: string;
  /** Entries that the log can never take. */
  readonly setAside: string;
  /** Who may drain the outbox. */
  readonly relayLock: string;
  readonly folder: string;
}

/** A symbolic link is followed first: renaming a new file over the link would cut it. */
export function dictionaryPaths(file: string): DictionaryPaths {
  const base = followed(resolve(file));
  return {
    base,
    journal: `${base}.journal`,
    versions: `${base}.versions`,
    lock: `${base}.lock`,
    capture: `${base}.capture`,
    relayed: `${base}.relayed`,
    setAside: `${base}.set-aside`,
    relayLock: `${base}.relay-lock`,
    folder: dirname(base),
  };
}

function followed(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (!isMissing(error)) return path;
    const folder = dirname(path);
    return folder === path ? path : join(followed(folder), basename(path));
  }
}

export async function openIfThere(path: string, flags = 'r'): Promise<FileHandle | undefined> {
  try {
    return await open(path, flags);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Makes renames and new names in the folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a file: a crash leaves the old content or the new, never a part of it. */
export function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  return replaceFileBy(path, (file) => file.writeFile(content));
}

/** The same, for content that is written piece by piece. */
export async function replaceFileBy(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${path}.new-${process.pid}`;
  try {
    const handle = await open(temporary, 'w');
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/**
 * Removes what writers that were killed have left of `path`'s next content. Only for who alone may write that file: of its own
 * writes none is under way. One of a process that lives stays all the same; if its number was given out again, until that
 * one is gone. What cannot be removed harms nobody.
 */
export async function removeLeftOvers(path: string): Promise<void> {
  const folder = dirname(path);
  const start = `${basename(path)}.new-`;
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = name.startsWith(start) ? name.slice(start.length) : '';
    if (/^[1-9]\d*$/.test(pid) && !isAlive(Number(pid)))
      await rm(join(folder, name), { force: true }).catch(() => {});
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCodeOf(error) !== 'ESRCH';
  }
}
