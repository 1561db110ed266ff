import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A folder that has a small disk of its own, which only root can give it. */
export interface SmallDisk {
  /** Takes up all of its room, until the function that it answers is called. */
  fill(): () => void;
  /** Puts everything back to where it was. Nobody may be at work in the folder. */
  remove(): void;
}

export const canMakeDisks = (): boolean => process.getuid?.() === 0;

const CHUNK_BYTES = 64 * 1024;
const FILLER = 'filler';

/** What is in the folder moves to the new disk, which has that much room more; nobody may be at work in it. */
export function makeSmallDisk(folder: string, roomBytes: number): SmallDisk {
  const aside = `${folder}.aside`;
  const [kilobytes = '0'] = execFileSync('du', ['-sk', folder], { encoding: 'utf8' }).split('\t');
  const size = Number(kilobytes) * 1024 + roomBytes;
  copy(folder, aside);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0755`, 'tmpfs', folder]);
  copy(aside, folder);
  rmSync(aside, { recursive: true });
  const unmount = (): void => {
    execFileSync('umount', ['--lazy', folder]);
  };
  process.on('exit', unmount);
  return {
    fill() {
      fillUp(join(folder, FILLER));
      return () => rmSync(join(folder, FILLER), { force: true });
    },
    remove() {
      rmSync(join(folder, FILLER), { force: true });
      copy(folder, aside);
      unmount();
      process.off('exit', unmount);
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
      copy(aside, folder);
      rmSync(aside, { recursive: true });
    },
  };
}

/** With owners and rights as they are. */
function copy(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  execFileSync('cp', ['-a', `${from}/.`, to]);
}

/** To the last byte. */
function fillUp(file: string): void {
  const descriptor = openSync(file, 'w');
  try {
    for (let bytes = CHUNK_BYTES; bytes >= 1; bytes = Math.floor(bytes / 16))
      writeUntilFull(descriptor, bytes);
  } finally {
    closeSync(descriptor);
  }
}

function writeUntilFull(descriptor: number, bytes: number): void {
  const chunk = Buffer.alloc(bytes);
  try {
    for (;;) writeSync(descriptor, chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
