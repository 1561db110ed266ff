import { readFileSync } from 'node:fs';
import { messageOf } from '../core/errors.ts';
import type { ServiceName } from './addresses.ts';
import { within } from './probe.ts';
import { descendantsOf, type ProcessStat, residentBytes } from './proc.ts';
import { isRunning, runningProcess, wasStarted } from './process.ts';
import type { ServiceHome, StackService } from './service.ts';

/** Linux counts time in hundredths of a second for user space, whatever the machine. */
const TICKS_PER_SECOND = 100;
const PROBE_WITHIN_MS = 15_000;

export interface ServiceStatus {
  readonly service: ServiceName;
  /**
   * `ready`: clients can work. `unready`: it runs and does not answer (yet). `dead`: it was started and not stopped, and one of
   * its processes is gone. `stopped`: nothing of it runs, and nothing should.
   */
  readonly state: 'ready' | 'unready' | 'dead' | 'stopped';
  /** Of the processes that run, the server itself last. */
  readonly pids: readonly number[];
  readonly ports: Readonly<Record<string, number>>;
  /** Resident memory of its processes and their children. */
  readonly residentBytes: number;
  /** Since its youngest process was started; undefined when none runs. */
  readonly uptimeMs: number | undefined;
  readonly logFile: string;
  /** Why it is not ready, when it should be. */
  readonly problem: string | undefined;
}

export async function serviceStatus(service: StackService, home: ServiceHome): Promise<ServiceStatus> {
  const { state, problem } = await judge(service, home);
  const running = service.processes
    .map(({ name }) => runningProcess(home, name))
    .filter((stat) => stat !== undefined);
  const family = running.flatMap((stat) => [stat, ...descendantsOf(stat.pid)]);
  return {
    service: service.name,
    state,
    problem,
    pids: running.map((stat) => stat.pid),
    ports: home.ports,
    residentBytes: family.reduce((sum, stat) => sum + residentBytes(stat.pid), 0),
    uptimeMs: running.length === 0 ? undefined : Math.min(...running.map(uptimeMs)),
    logFile: home.logFile,
  };
}

async function judge(
  service: StackService,
  home: ServiceHome,
): Promise<Pick<ServiceStatus, 'state' | 'problem'>> {
  const problem = isComplete(service, home) ? await problemOf(service, home) : undefined;
  // Looked at once more: it may have died while it was asked.
  if (isComplete(service, home)) return { state: problem === undefined ? 'ready' : 'unready', problem };
  const gone = service.processes.filter(({ name }) => wasStarted(home, name) && !isRunning(home, name));
  const parts = service.processes.filter(({ name }) => isRunning(home, name));
  if (gone.length === 0 && parts.length === 0) return { state: 'stopped', problem: undefined };
  const names = gone.length > 0 ? gone.map(({ name }) => name).join(', ') : 'a part of it';
  return { state: 'dead', problem: `${names} ended; its log is ${home.logFile}` };
}

function isComplete(service: StackService, home: ServiceHome): boolean {
  return service.processes.every(({ name }) => isRunning(home, name));
}

async function problemOf(service: StackService, home: ServiceHome): Promise<string | undefined> {
  try {
    await within(PROBE_WITHIN_MS, service.ready(home));
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function uptimeMs(stat: ProcessStat): number {
  const machineSeconds = Number.parseFloat(readFileSync('/proc/uptime', 'latin1'));
  return Math.max(0, Math.round((machineSeconds - Number(stat.startTicks) / TICKS_PER_SECOND) * 1000));
}
