import { access, constants, type FileHandle } from 'node:fs/promises';
import { identityOf, isGzip } from './base-file.ts';
import { isMissing, translated } from './errors.ts';
import { notAnObject } from './member.ts';
import type { DictionaryPaths } from './paths.ts';
import { openIfThere } from './versions-file.ts';

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
    if (mayBeMissing && isMissing(error)) return MISSING;
    throw error;
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
