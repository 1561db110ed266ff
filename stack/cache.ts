/**
 * Downloads, kept per user and version. An entry appears by one rename of a finished folder: a killed download leaves
 * nothing that could be mistaken for an entry, and two processes may install the same one at once.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemCodeOf } from '../core/errors.ts';

const UNFINISHED = '.unfinished-';
/** Older unfinished downloads belong to nobody any more. */
const ABANDONED_AFTER_MS = 6 * 3_600_000;

export interface Cache {
  readonly dir: string;
  /** The folder of an entry; calls `fill` with an empty folder when it is not there yet. `key` names what and which version. */
  entry(key: string, fill: (dir: string) => Promise<void>): Promise<string>;
}

export function defaultCacheDir(env: NodeJS.ProcessEnv): string {
  const base = env.XDG_CACHE_HOME;
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'changeover');
}

export function createCache(dir: string): Cache {
  const root = resolve(dir);
  return {
    dir: root,
    async entry(key, fill) {
      const final = join(root, key);
      if (existsSync(final)) return final;
      await mkdir(root, { recursive: true });
      await removeAbandoned(root);
      const unfinished = await mkdtemp(join(root, `${UNFINISHED}${key}-`));
      try {
        await fill(unfinished);
        await rename(unfinished, final);
      } catch (error) {
        await rm(unfinished, { recursive: true, force: true });
        // Another process finished first: its entry is as good.
        if (['EEXIST', 'ENOTEMPTY'].includes(systemCodeOf(error) ?? '') && existsSync(final)) return final;
        throw error;
      }
      return final;
    },
  };
}

async function removeAbandoned(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    if (!name.startsWith(UNFINISHED)) continue;
    const path = join(root, name);
    const modifiedMs = (await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now();
    if (Date.now() - modifiedMs > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}
