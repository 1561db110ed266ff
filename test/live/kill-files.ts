import { readlinkSync, writeSync } from 'node:fs';
import fsPromises, { type FileHandle, open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import type { KillPoint } from './kill-plan.ts';
import { wrapMethod } from './kill-wrap.ts';

interface FileWatch {
  reached(point: KillPoint): boolean;
  end(): void;
}

export function pathOf(handle: unknown): string {
  try {
    return readlinkSync(`/proc/self/fd/${(handle as FileHandle).fd}`);
  } catch {
    return '';
  }
}

const isJournal = (path: string): boolean => path.endsWith('.journal');
/** Files of the next generation, and the journal that replaces the old one. */
const isCompaction = (path: string): boolean => /\.compacted-\d+$|\.journal\.new-\d+$/.test(path);

/** Passages of the dictionary's owner: what it writes to its journal, and the steps of a compaction. */
export async function watchFiles({ reached, end }: FileWatch): Promise<void> {
  const nothing = await open('/dev/null');
  const prototype = Object.getPrototypeOf(nothing) as object;
  await nothing.close();

  wrapMethod(prototype, 'write', (original) => {
    return function (...args) {
      if (isJournal(pathOf(this)) && reached('mid-journal')) {
        const [bytes, offset, length, position] = args as [Buffer, number, number, number];
        writeSync((this as FileHandle).fd, bytes, offset, Math.floor(length / 2), position);
        end();
      }
      return original.apply(this, args);
    };
  });
  wrapMethod(prototype, 'datasync', (original) => {
    return function (...args) {
      if (isJournal(pathOf(this)) && reached('before-sync')) end();
      return original.apply(this, args);
    };
  });
  wrapMethod(prototype, 'sync', (original) => {
    return function (...args) {
      if (isCompaction(pathOf(this)) && reached('mid-compaction')) end();
      return original.apply(this, args);
    };
  });
  wrapMethod(fsPromises, 'rename', (original) => {
    return async function (this: unknown, ...args) {
      const isStep = args.some((path) => isCompaction(String(path)));
      if (isStep && reached('mid-compaction')) end();
      await original.apply(this, args);
      if (isStep && reached('mid-compaction')) end();
    };
  });
  syncBuiltinESMExports();
}
