/**
 * Locks that a dead owner cannot hold: a listening socket in Linux' abstract namespace. The kernel lets one process have a
 * name and takes it back when that process ends, however it ends. Whoever connects is told the owner's pid.
 */
import { createHash } from 'node:crypto';
import { connect, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChangeoverError, systemCodeOf } from '../core/errors.ts';

const POLL_MS = 100;

export interface Lock {
  release(): Promise<void>;
}

export interface LockWait {
  readonly signal: AbortSignal;
  readonly withinMs: number;
  /** Called once, when somebody else holds the lock. */
  onWait(owner: string): void;
}

/** Undefined when somebody else has it. */
export async function tryLock(name: string): Promise<Lock | undefined> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(String(process.pid));
  });
  if (!(await listening(server, socketName(name)))) return undefined;
  server.unref();
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** Waits for the lock; throws `conflict` when its owner keeps it too long. */
export async function lock(name: string, wait: LockWait): Promise<Lock> {
  const deadline = Date.now() + wait.withinMs;
  let told = false;
  for (;;) {
    const held = await tryLock(name);
    if (held !== undefined) return held;
    const owner = await ownerOf(name);
    if (!told) {
      wait.onWait(owner);
      told = true;
    }
    if (Date.now() > deadline) {
      throw new ChangeoverError('conflict', `Another process (${owner}) is working on this stack`, {
        hint: 'Wait until it has finished, or end it.',
      });
    }
    await sleep(POLL_MS, undefined, { signal: wait.signal });
  }
}

function socketName(name: string): string {
  return `\0changeover-${createHash('sha256').update(name).digest('hex').slice(0, 40)}`;
}

function listening(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => (systemCodeOf(error) === 'EADDRINUSE' ? resolve(false) : reject(error)));
    server.listen(path, () => resolve(true));
  });
}

function ownerOf(name: string): Promise<string> {
  return new Promise((resolve) => {
    let pid = '';
    const socket = connect(socketName(name));
    socket.setTimeout(1_000, () => socket.destroy());
    socket.on('data', (chunk) => {
      pid += String(chunk);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(pid === '' ? 'unknown' : `pid ${pid}`));
  });
}
