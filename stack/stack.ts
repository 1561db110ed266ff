/**
 * The real servers as processes of this machine, in one data folder. They outlive the process that started them; any process
 * can stop them, because everything about them is in the data folder:
 *
 *     <dir>/state.json       ports and passwords (mode 0600)
 *     <dir>/run/*.pid        which processes run, written by the processes themselves
 *     <dir>/logs/*.log       what they say
 *     <dir>/<service>/       data, and configuration, which is written anew at each start
 */
import { existsSync } from 'node:fs';
import { realpath, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ChangeoverError, systemCodeOf } from '../core/errors.ts';
import {
  DEFAULT_SERVICES,
  type DefaultService,
  SERVICE_NAMES,
  type ServiceName,
  type StackAddresses,
} from './addresses.ts';
import { bringUp } from './bring-up.ts';
import { createCache, defaultCacheDir } from './cache.ts';
import { asFolderFailure } from './failure.ts';
import { serviceHome } from './home.ts';
import { lock } from './lock.ts';
import { type LogOptions, readLog } from './logs.ts';
import { stop } from './process.ts';
import { createPrograms } from './programs.ts';
import { SERVICES } from './services.ts';
import { readState, type StackState, stateFile } from './state.ts';
import { type ServiceStatus, serviceStatus } from './status.ts';

/** A first start on a slow network holds the lock for minutes. */
const LOCK_WITHIN_MS = 15 * 60_000;

export interface StackProgress {
  /** `stack` for what concerns all of them. */
  readonly service: ServiceName | 'stack';
  /** What happens now, such as "downloading Kafka 4.2.2" or "ready in 11.2 s". */
  readonly message: string;
}

export interface StackOptions<Name extends ServiceName> {
  /** The data folder; made when it is not there. */
  readonly dir: string;
  /** Which services `up` starts; all but `neo4j-legacy` unless told. */
  readonly services?: readonly Name[];
  /** Downloads; `$XDG_CACHE_HOME/changeover` or `~/.cache/changeover` unless told. */
  readonly cacheDir?: string;
  /** Where programs are found and what servers inherit; this process' environment unless told. */
  readonly env?: NodeJS.ProcessEnv;
  readonly onProgress?: (progress: StackProgress) => void;
  /** Ends a wait. An `up` that is aborted stops what it has started. */
  readonly signal?: AbortSignal;
}

export interface Stack<Name extends ServiceName = DefaultService> {
  readonly dir: string;
  /**
   * Starts what does not run, and resolves when clients can work with everything. What runs already is only checked.
   * When one service cannot be started, those that this call started are stopped again.
   *
   * Throws `not-installed`, `no-space`, `unreachable` (a server died or a download failed), `timeout`, `conflict`, `config`, `aborted`.
   */
  up(): Promise<Pick<StackAddresses, Name>>;
  /** Addresses of every service that this folder has ever started, running or not. */
  addresses(): Promise<Partial<StackAddresses>>;
  /** Of every service that this folder has ever started. Asks each, which takes a few seconds when one hangs. */
  status(): Promise<readonly ServiceStatus[]>;
  /** The end of a service's log, and with `follow` what is added to it. */
  logs(service: ServiceName, options?: LogOptions): AsyncIterable<string>;
  /** Stops everything that was ever started from this folder, and resolves when nothing of it is left. Data stays. */
  down(): Promise<void>;
  /** `down`, then deletes data, passwords and logs. */
  reset(): Promise<void>;
}

export async function openStack<Name extends ServiceName = DefaultService>(
  options: StackOptions<Name>,
): Promise<Stack<Name>> {
  if (process.platform !== 'linux') {
    throw new ChangeoverError('unsupported', 'The local stack runs on Linux', {
      hint: 'Use docker-compose.yml.',
    });
  }
  const dir = await canonical(options.dir);
  const env = options.env ?? process.env;
  const signal = options.signal ?? new AbortController().signal;
  const services: readonly ServiceName[] = options.services ?? DEFAULT_SERVICES;
  const report = (service: StackProgress['service'], message: string) =>
    options.onProgress?.({ service, message });

  const locked = async <T>(work: () => Promise<T>): Promise<T> => {
    const held = await lock(`stack ${dir}`, {
      signal,
      withinMs: LOCK_WITHIN_MS,
      onWait: (owner) => report('stack', `waiting for another process (${owner}) that works on ${dir}`),
    });
    try {
      return await work();
    } finally {
      await held.release();
    }
  };

  return {
    dir,
    async up() {
      try {
        return await locked(() => {
          const cache = createCache(options.cacheDir ?? defaultCacheDir(env));
          return bringUp<Name>({
            dir,
            services,
            cache,
            report,
            signal,
            programs: (abort) => createPrograms(env, abort),
          });
        });
      } catch (error) {
        if (signal.aborted) {
          throw new ChangeoverError('aborted', 'The start of the stack was stopped', { cause: error });
        }
        throw asFolderFailure(error, dir);
      }
    },
    addresses: async () => addressesOf(dir, await readState(dir)),
    status: async () => {
      const state = await readState(dir);
      return Promise.all(
        knownServices(state).map((name) => serviceStatus(SERVICES[name], serviceHome(dir, name, state))),
      );
    },
    logs: (service, logOptions) => readLog(serviceHome(dir, service).logFile, logOptions),
    down: () => locked(() => stopAll(dir, report)),
    reset: () =>
      locked(async () => {
        await stopAll(dir, report);
        await deleteAll(dir);
      }),
  };
}

function knownServices(state: StackState): readonly ServiceName[] {
  return SERVICE_NAMES.filter((name) => state.services[name] !== undefined);
}

function addressesOf(dir: string, state: StackState): Partial<StackAddresses> {
  const entries = knownServices(state).map((name) => [
    name,
    SERVICES[name].address(serviceHome(dir, name, state)),
  ]);
  return Object.fromEntries(entries);
}

/** Goes by pid files alone, so that a damaged state file does not keep servers running. */
async function stopAll(dir: string, report: (service: ServiceName, message: string) => void): Promise<void> {
  await Promise.all(
    SERVICE_NAMES.map(async (name) => {
      const home = serviceHome(dir, name);
      const service = SERVICES[name];
      if (!service.processes.some((process) => existsSync(home.pidFile(process.name)))) return;
      report(name, 'stopping');
      for (const process of service.processes) await stop(home, process);
      report(name, 'stopped');
    }),
  );
}

/** Only what a stack makes: somebody may have chosen a folder that holds other things, too. */
async function deleteAll(dir: string): Promise<void> {
  if (!existsSync(dir)) return;
  if (!existsSync(stateFile(dir))) {
    throw new ChangeoverError('config', `${dir} is not the data folder of a stack: it has no state.json`, {
      hint: 'Name the folder that `changeover stack up` used.',
    });
  }
  for (const name of [...SERVICE_NAMES, 'run', 'logs']) {
    await rm(join(dir, name), { recursive: true, force: true });
  }
  // Last, so that a reset that is interrupted can be repeated.
  await rm(stateFile(dir));
  await rmdir(dir).catch(() => undefined);
}

/** One name for a folder however it is spelled, there or not, because the lock goes by it. */
async function canonical(dir: string): Promise<string> {
  const path = resolve(dir);
  try {
    return await realpath(path);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
    return join(await canonical(dirname(path)), basename(path));
  }
}
