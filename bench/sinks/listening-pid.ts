import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const LISTENING = '0A';

/** The process that listens on a TCP port of this machine (Linux); undefined where that cannot be seen. */
export function listeningPid(port: number): number | undefined {
  const sockets = new Set(
    ['/proc/net/tcp', '/proc/net/tcp6']
      .flatMap((file) => inodesOf(file, port))
      .map((inode) => `socket:[${inode}]`),
  );
  for (const pid of entriesOf('/proc').map(Number).filter(Number.isInteger)) {
    for (const descriptor of entriesOf(`/proc/${pid}/fd`)) {
      if (sockets.has(targetOf(`/proc/${pid}/fd/${descriptor}`))) return pid;
    }
  }
  return undefined;
}

/** A line is: number, local address:port, remote, state, five more, inode. */
function inodesOf(file: string, port: number): readonly string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return attempt(() => readFileSync(file, 'utf8'), '')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${hex}`) && state === LISTENING)
    .map((fields) => fields[9] ?? '');
}

const entriesOf = (directory: string): readonly string[] => attempt(() => readdirSync(directory), []);
const targetOf = (link: string): string => attempt(() => readlinkSync(link), '');

/** Processes come and go while they are looked at, and some are not ours to look into. */
function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
