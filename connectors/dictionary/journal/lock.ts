import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { ChangeoverError, systemCodeOf } from '../../../core/errors.ts';
import { isRecord, tryParseJson } from '../../../core/json.ts';
import { isMissing, translated } from '../errors.ts';

export interface Lock {
  readonly path: string;
  /** False when somebody has taken it away. */
  isHeld(): Promise<boolean>;
  release(): Promise<void>;
}

export interface LockHolder extends ProcessIdentity {
  /** Different for each time that a lock is taken. */
  readonly token: string;
}

/** What is said of a lock that another process holds. */
export interface LockUse {
  /** "<this> by process 5 on host a" */
  readonly doing: string;
  /** What to do while that process is alive. */
  readonly hint: string;
}

const WRITING: LockUse = {
  doing: 'The dictionary is being written',
  hint: 'Only one process writes a dictionary. Stop the other one, or send it the changes.',
};

/** Takes the lock file; throws `conflict` while another holder is alive, or may be. */
export async function takeLock(path: string, use: LockUse = WRITING): Promise<Lock> {
  const taken = await taking(path);
  if ('release' in taken) return taken;
  throw heldBy(taken, use);
}

/** The same, but undefined while its holder is alive. Throws `conflict` where only an operator can tell whether it is. */
export async function takeLockUnlessHeld(path: string, use: LockUse): Promise<Lock | undefined> {
  const taken = await taking(path);
  if ('release' in taken) return taken;
  if (taken.state === 'alive') return undefined;
  throw heldBy(taken, use);
}

interface Held {
  readonly path: string;
  readonly holder: LockHolder;
  readonly state: ProcessState;
}

/**
 * The file comes into being whole (written under another name, then linked). A dead holder's is replaced by whoever
 * first makes `<path>.after-<its token>`: that too is a lock, taken in this same way, so that of two who find a dead
 * holder only one replaces the file, and a third who looked long ago finds another token there and gives up.
 */
function taking(path: string): Promise<Lock | Held> {
  return translated(`take the lock ${path}`, () => take(path, 0));
}

const MOST_DEAD_TAKERS = 10;

async function take(path: string, depth: number): Promise<Lock | Held> {
  const token = randomUUID();
  const mine = `${path}.${token}`;
  await writeFile(mine, JSON.stringify({ ...thisProcess(), token }), { flag: 'wx' });
  try {
    if (await linked(mine, path)) return held(path, token);
    const holder = await readHolder(path);
    // It was let go of this moment.
    if (holder === undefined) return await take(path, depth + 1);
    const state = stateOf(holder);
    if (state !== 'dead' || depth > MOST_DEAD_TAKERS) return { path, holder, state };
    const succession = await take(`${path}.after-${holder.token}`, depth + 1);
    if (!('release' in succession)) return succession;
    try {
      const now = await readHolder(path);
      if (now?.token !== holder.token) return { path, holder: now ?? holder, state: 'alive' };
      await rename(mine, path);
      return held(path, token);
    } finally {
      await succession.release();
    }
  } finally {
    await rm(mine, { force: true });
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function held(path: string, token: string): Lock {
  const isHeld = async (): Promise<boolean> => (await readHolder(path))?.token === token;
  return {
    path,
    isHeld,
    release: async () => {
      if (await isHeld()) await rm(path, { force: true });
    },
  };
}

/** Undefined when there is none. A file that is no lock of ours holds like a living process. */
export async function readHolder(path: string): Promise<LockHolder | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const holder = tryParseJson(text);
  if (isRecord(holder) && typeof holder.token === 'string') return holder as unknown as LockHolder;
  throw new ChangeoverError('conflict', `${path} is no lock file of Changeover.`, { hint: 'Move it away.' });
}

function heldBy({ path, holder: { pid, host }, state }: Held, { doing, hint }: LockUse): ChangeoverError {
  const who = pid === process.pid && state === 'alive' ? 'this very process' : `process ${pid} on ${host}`;
  return new ChangeoverError('conflict', `${doing} by ${who}, which holds ${path}.`, {
    hint: state === 'alive' ? hint : `If that process is gone, remove ${path}; if it is not, stop it first.`,
  });
}

/** Names one process among all that ever ran: process ids are given out again, start times of one id are not. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** In which process ids mean what they mean here: containers of one machine may share its name. */
  readonly pidNamespace: string | null;
  /** Null where the system does not tell (no /proc). */
  readonly boot: string | null;
  /** In the system's own clock ticks since it was started. */
  readonly started: string | null;
}

export function thisProcess(): ProcessIdentity {
  return {
    pid: process.pid,
    host: hostname(),
    pidNamespace: pidNamespace(),
    boot: bootId(),
    started: startTime(process.pid),
  };
}

/** `unknown` for a process of another machine or container, into which we cannot look. */
export type ProcessState = 'alive' | 'dead' | 'unknown';

export function stateOf(identity: ProcessIdentity): ProcessState {
  if (identity.host !== hostname()) return 'unknown';
  if (identity.boot !== bootId()) return 'dead';
  if (identity.pidNamespace !== pidNamespace()) return 'unknown';
  if (identity.started !== null) return startTime(identity.pid) === identity.started ? 'alive' : 'dead';
  try {
    process.kill(identity.pid, 0);
    return 'alive';
  } catch (error) {
    return systemCodeOf(error) === 'ESRCH' ? 'dead' : 'alive';
  }
}

function pidNamespace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
}

function bootId(): string | null {
  return readOrNull('/proc/sys/kernel/random/boot_id')?.trim() ?? null;
}

/** Field 22 of /proc/<pid>/stat (proc(5)); the second field, a name in brackets, may contain anything. */
function startTime(pid: number): string | null {
  const fields = readOrNull(`/proc/${pid}/stat`);
  if (fields === null) return null;
  const [state, ...others] = fields.slice(fields.lastIndexOf(')') + 2).split(' ');
  // A process that has ended and waits for its parent to notice holds nothing.
  return state === 'Z' || state === 'X' ? null : (others[18] ?? null);
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
