/** What Linux says about processes, under /proc. Synchronous: these files never wait for a disk. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  /** Clock ticks since boot at which it started: together with pid and boot it names a process for ever. */
  readonly startTicks: string;
  readonly zombie: boolean;
}

/** Undefined when there is no such process (any more). */
export function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined;
  }
}

/** `proc_pid_stat(5)`. The name in parentheses may hold anything, so count from its last parenthesis. */
export function parseStat(line: string): ProcessStat | undefined {
  const fields = line
    .slice(line.lastIndexOf(')') + 2)
    .trim()
    .split(' ');
  const [state, parent, , session] = fields;
  const startTicks = fields[19];
  if (state === undefined || parent === undefined || session === undefined || startTicks === undefined) {
    return undefined;
  }
  return {
    pid: Number.parseInt(line, 10),
    parent: Number(parent),
    session: Number(session),
    startTicks,
    zombie: state === 'Z' || state === 'X',
  };
}

export function allProcesses(): readonly ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .filter((stat) => stat !== undefined);
}

export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** The value of a variable in the environment that the process was started with. */
export function environmentOf(pid: number, variable: string): string | undefined {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return entries.find((entry) => entry.startsWith(`${variable}=`))?.slice(variable.length + 1);
  } catch {
    return undefined;
  }
}

export function executableOf(pid: number): string | undefined {
  const path = linkOf(pid, 'exe');
  return path === undefined ? undefined : basename(path);
}

export function workingDirOf(pid: number): string | undefined {
  return linkOf(pid, 'cwd');
}

/** Resident bytes, shared pages included. */
export function residentBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The processes below this one, nearest first. */
export function descendantsOf(pid: number): readonly ProcessStat[] {
  const all = allProcesses();
  const found: ProcessStat[] = [];
  let parents = new Set([pid]);
  while (parents.size > 0) {
    const generation = all.filter((stat) => parents.has(stat.parent));
    found.push(...generation);
    parents = new Set(generation.map((stat) => stat.pid));
  }
  return found;
}

function linkOf(pid: number, name: 'exe' | 'cwd'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/${name}`);
  } catch {
    return undefined;
  }
}
