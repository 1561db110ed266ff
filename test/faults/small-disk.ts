import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../core/errors.ts';
import { readStat } from '../../stack/proc.ts';

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
/** Before the pid of the process that has made it, and when that began: the name of the disk among the mounts of the machine. */
const OURS = 'changeover-small-disk';

/** What is in the folder moves to the new disk, which has that much room more; nobody may be at work in it. */
export function makeSmallDisk(folder: string, roomBytes: number): SmallDisk {
  const aside = `${folder}.aside`;
  const [kilobytes = '0'] = execFileSync('du', ['-sk', folder], { encoding: 'utf8' }).split('\t');
  const size = Number(kilobytes) * 1024 + roomBytes;
  const name = `${OURS}:${process.pid}:${readStat(process.pid)?.startTicks}`;
  copy(folder, aside);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0755`, name, folder]);
  // Whoever ends without having put everything back leaves no disk behind. (What was copied to it is lost with it.)
  const onExit = (): void => {
    unmount(folder, '--lazy');
    rmSync(aside, { recursive: true, force: true });
  };
  process.on('exit', onExit);
  copy(aside, folder);
  rmSync(aside, { recursive: true });
  return {
    fill() {
      fillUp(join(folder, FILLER));
      return () => rmSync(join(folder, FILLER), { force: true });
    },
    remove() {
      rmSync(join(folder, FILLER), { force: true });
      copy(folder, aside);
      unmount(folder, '--lazy');
      process.off('exit', onExit);
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
      copy(aside, folder);
      rmSync(aside, { recursive: true });
    },
  };
}

/** What became of a disk that somebody who was killed has left behind: `kept` where it is in use. */
export interface LeftOver {
  readonly folder: string;
  readonly kept: string | undefined;
}

/** Takes away the disks of processes that are no more. The kernel keeps one in which anybody still works. */
export function removeLeftOvers(): readonly LeftOver[] {
  return leftOvers().map((folder) => {
    try {
      unmount(folder);
      rmSync(`${folder}.aside`, { recursive: true, force: true });
      return { folder, kept: undefined };
    } catch (error) {
      return { folder, kept: messageOf(error) };
    }
  });
}

function leftOvers(): readonly string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return mounts.flatMap((line) => {
    const [device = '', folder = ''] = line.split(' ');
    const [name, pid, startTicks] = device.split(':');
    if (name !== OURS || readStat(Number(pid))?.startTicks === startTicks) return [];
    // A space is written as its octal number there.
    return [
      folder.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    ];
  });
}

function unmount(folder: string, ...flags: readonly string[]): void {
  execFileSync('umount', [...flags, folder], { stdio: ['ignore', 'ignore', 'pipe'] });
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
