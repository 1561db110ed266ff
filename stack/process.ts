/**
 * Server processes that outlive the command that started them.
 *
 * A process writes its own pid file (boot id, then its line of /proc/self/stat) before it becomes the server, so there is
 * no moment at which a server runs unrecorded, whenever the command that starts it is killed. Boot, pid and start time
 * together name one process for ever: a recycled pid is never mistaken for it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChangeoverError, systemCodeOf } from '../core/errors.ts';
import {
  allProcesses,
  bootId,
  descendantsOf,
  environmentOf,
  executableOf,
  type ProcessStat,
  parseStat,
  readStat,
  workingDirOf,
} from './proc.ts';
import type { ManagedProcess, ServiceHome } from './service.ts';

/** Marks the environment of everything that the stack starts; its value is the pid file. */
const MARK = 'CHANGEOVER_STACK_PID_FILE';

const RECORD_AND_BECOME =
  'read -r boot </proc/sys/kernel/random/boot_id; read -r stat </proc/$$/stat; echo "$boot $stat" >"$0" || exit 1; exec "$@"';

const POLL_MS = 20;
/** SIGKILL is not refused, but a process in the middle of a disk write leaves only when that ends. */
const KILL_WITHIN_MS = 15_000;
const LAUNCH_WITHIN_MS = 10_000;

export interface LaunchOptions {
  readonly home: ServiceHome;
  /** Which of the service's processes this is. */
  readonly process: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Opens an IPC channel between this process and the new one. */
  readonly ipc?: boolean;
}

/** Resolves when the process has recorded itself. It has a session of its own and is not waited for. */
export async function launch(options: LaunchOptions): Promise<ChildProcess> {
  const pidFile = options.home.pidFile(options.process);
  const log = openSync(options.home.logFile, 'a', 0o600);
  try {
    const child = spawn('/bin/sh', ['-c', RECORD_AND_BECOME, pidFile, options.command, ...options.args], {
      cwd: options.cwd,
      env: { ...options.env, [MARK]: pidFile },
      detached: true,
      stdio: options.ipc === true ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
    });
    // A command that cannot be run shows in the log and in the pid file; an unheard error would end this process.
    child.on('error', () => undefined);
    child.unref();
    await recorded(pidFile, child);
    return child;
  } finally {
    closeSync(log);
  }
}

export function isRunning(home: ServiceHome, process: string): boolean {
  return runningProcess(home, process) !== undefined;
}

/** The process that the pid file names, if it is still that very process. */
export function runningProcess(home: ServiceHome, process: string): ProcessStat | undefined {
  const recordedStat = readPidFile(home.pidFile(process));
  if (recordedStat === undefined) return undefined;
  return isAlive(recordedStat) ? readStat(recordedStat.pid) : undefined;
}

/** True when the process was started and has not been stopped since, alive or not. */
export function wasStarted(home: ServiceHome, process: string): boolean {
  return readPidFile(home.pidFile(process)) !== undefined;
}

/**
 * Stops the process and all that came from it, and resolves when nothing of it is left. Also cleans up after a process
 * that died by itself. Resolves at once when there is nothing to stop.
 */
export async function stop(home: ServiceHome, managed: ManagedProcess): Promise<void> {
  const pidFile = home.pidFile(managed.name);
  const main = runningProcess(home, managed.name);
  const family = main === undefined ? [] : descendantsOf(main.pid);
  if (main !== undefined) {
    kill(main, managed.stopSignal);
    if (!(await gone([main], managed.graceMs))) await killNow([main]);
  }
  const rest = [...family, ...orphans(home, managed)];
  // Children of a server that has ended end by themselves as soon as they notice.
  if (!(await gone(rest, 3_000))) await killNow(rest);
  rmSync(pidFile, { force: true });
}

function orphans(home: ServiceHome, managed: ManagedProcess): readonly ProcessStat[] {
  const pidFile = home.pidFile(managed.name);
  const recordedStat = readPidFile(pidFile);
  const { children } = managed;
  return allProcesses().filter((stat) => {
    if (stat.zombie) return false;
    if (
      children !== undefined &&
      executableOf(stat.pid) === children.executable &&
      workingDirOf(stat.pid) === `${home.dir}/${children.workingDir}`
    ) {
      return true;
    }
    return stat.session === recordedStat?.pid && environmentOf(stat.pid, MARK) === pidFile;
  });
}

async function recorded(pidFile: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + LAUNCH_WITHIN_MS;
  while (Date.now() < deadline) {
    if (readPidFile(pidFile)?.pid === child.pid) return;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    await sleep(POLL_MS / 4);
  }
}

function readPidFile(path: string): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
  const space = text.indexOf(' ');
  const stat = parseStat(text.slice(space + 1));
  return stat !== undefined && text.slice(0, space) === bootId() ? stat : undefined;
}

function isAlive(stat: ProcessStat): boolean {
  const now = readStat(stat.pid);
  return now !== undefined && !now.zombie && now.startTicks === stat.startTicks;
}

function kill(stat: ProcessStat, signal: NodeJS.Signals): void {
  if (!isAlive(stat)) return;
  try {
    process.kill(stat.pid, signal);
  } catch (error) {
    if (systemCodeOf(error) === 'ESRCH') return;
    throw new ChangeoverError('conflict', `Process ${stat.pid} of the stack was started by another user`, {
      hint: 'Run the command as the user who started the stack.',
      cause: error,
    });
  }
}

async function gone(stats: readonly ProcessStat[], withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (stats.some(isAlive)) {
    if (Date.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

async function killNow(stats: readonly ProcessStat[]): Promise<void> {
  for (const stat of stats) kill(stat, 'SIGKILL');
  if (await gone(stats, KILL_WITHIN_MS)) return;
  const left = stats.filter(isAlive).map((stat) => stat.pid);
  throw new ChangeoverError('timeout', `Process ${left.join(', ')} does not end, not even by SIGKILL`, {
    hint: 'It waits for a disk or for the kernel. Try again later.',
  });
}
