/**
 * Whose is a data folder? A name on the command line can be anybody's, so nothing is made, and nothing deleted, in a folder
 * that holds something and is not a stack's. What makes it a stack's is its state file: not that there is one, because
 * other programs have a state.json, too, but what is in it.
 */
import { chmod, mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ChangeoverError, systemCodeOf } from '../core/errors.ts';
import { SERVICE_NAMES } from './addresses.ts';
import { EMPTY_STATE, readState, STATE_FILE, UNFINISHED_STATE_FILE, writeState } from './state.ts';

/**
 * A folder inside one of this name may hold anything but a stack's own subfolders: commands write files beside a stack
 * (configurations, reports, a society), which stay when it is gone.
 */
const OUR_PLACE = '.changeover';
const MODE = 0o711;
const SUBFOLDERS: readonly string[] = [...SERVICE_NAMES, 'run', 'logs'];
const SHOWN_NAMES = 3;

/**
 * True when a stack was started in the folder and has not been reset. False when one may be: the folder is not there, or
 * empty, or all that is in it was left by a start that was killed early, or by a stack that is gone. Throws `config` when the
 * folder is somebody else's.
 */
export async function isStackFolder(dir: string): Promise<boolean> {
  const names = await namesIn(dir);
  const hasState = names.includes(STATE_FILE);
  if (hasState && Object.keys((await readState(dir)).services).length > 0) return true;
  const free = hasState || basename(dirname(dir)) === OUR_PLACE;
  // A state is written before its subfolders and emptied after them: where it names no service, these are not ours.
  const others = othersOf(names).filter((name) => !free || SUBFOLDERS.includes(name));
  if (others.length === 0) return false;
  const more = others.length > SHOWN_NAMES ? ', …' : '';
  throw new ChangeoverError(
    'config',
    `${dir} is not the data folder of a stack: it holds ${others.slice(0, SHOWN_NAMES).join(', ')}${more}, which no stack has made`,
    { hint: 'Name a folder that is empty or not there yet, or one in which a stack was started before.' },
  );
}

/** Makes the folder where there is none. Others may pass through it: Postgres cannot run as root (postgres-user.ts). */
export async function makeStackFolder(dir: string): Promise<void> {
  const made = await mkdir(dir, { recursive: true, mode: MODE });
  // Whatever the umask is. The permissions of a folder that was there are its owner's.
  if (made !== undefined) await chmod(dir, MODE);
}

/**
 * Deletes what a stack has made, `files`, and the folder when nothing else is in it. A folder that holds something else
 * keeps an empty state, so that a stack can be started in it again. Throws `config` when the folder is somebody else's.
 */
export async function deleteStackFolder(dir: string, files: readonly string[]): Promise<void> {
  if (await isStackFolder(dir)) {
    for (const name of [...SUBFOLDERS, ...files]) {
      await rm(join(dir, name), { recursive: true, force: true });
    }
  }
  // The state is last, so that a reset that is interrupted can be repeated.
  const names = await namesIn(dir);
  if (othersOf(names).length > 0) {
    if (names.includes(STATE_FILE)) await writeState(dir, EMPTY_STATE);
    return;
  }
  for (const name of names) await rm(join(dir, name));
  await rmdir(dir).catch(() => undefined);
}

function othersOf(names: readonly string[]): readonly string[] {
  return names.filter((name) => name !== STATE_FILE && name !== UNFINISHED_STATE_FILE);
}

async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    if (systemCodeOf(error) !== 'ENOTDIR') throw error;
    throw new ChangeoverError('config', `${dir} is not a folder`, { hint: 'Name a folder.', cause: error });
  }
}
