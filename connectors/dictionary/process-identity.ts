import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { systemCodeOf } from '../../core/errors.ts';

/** Names one process among all that ever ran: process ids are given out again, start times of one id are not. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** Null where the system does not tell (no /proc). */
  readonly boot: string | null;
  /** In the system's own clock ticks since it was started. */
  readonly started: string | null;
}

export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, host: hostname(), boot: bootId(), started: startTime(process.pid) };
}

/** `unknown` for a process of another machine, into which we cannot look. */
export function stateOf(identity: ProcessIdentity): 'alive' | 'dead' | 'unknown' {
  if (identity.host !== hostname()) return 'unknown';
  if (identity.boot !== bootId()) return 'dead';
  if (identity.started !== null) return startTime(identity.pid) === identity.started ? 'alive' : 'dead';
  try {
    process.kill(identity.pid, 0);
    return 'alive';
  } catch (error) {
    return systemCodeOf(error) === 'ESRCH' ? 'dead' : 'alive';
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
