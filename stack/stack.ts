/**
 * The real servers as processes of this machine, in one data folder. They outlive the process that started them; any process
 * can stop them, because everything about them is in the data folder:
 *
 *     <dir>/state.json       ports and passwords (mode 0600)
 *     <dir>/run/*.pid        which processes run, written by the processes themselves
 *     <dir>/logs/*.log       what they say
 *     <dir>/<service>/       data, and configuration, which is written anew at each start
 */
import { realpath } from 'node:fs/promises';
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
import { deleteStackFolder, isStackFolder } from './folder.ts';
import { serviceHome } from './home.ts';
import { lock } from './lock.ts';
import { type LogOptions, readLog } from './logs.ts';
import { stop, wasStarted } from './process.ts';
import { createPrograms } from './programs.ts';
import { SERVICES } from './services.ts';
import { readState, type StackState } from './state.ts';
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
  /** The data folder; made when it is not there. One that holds something else is refused. */
  readonly dir: string;
  /** Names of files in the data folder that the caller makes anew at each start: `reset` deletes them, too. */
  readonly files?: readonly string[];
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
  /** True when a stack was started in this folder and has not been reset. Throws `config` when the folder is somebody else's. */
  exists(): Promise<boolean>;
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
  /**
   * `down`, then deletes data, passwords and logs, and the folder when nothing else is in it. Throws `config`, and leaves everything
   * as it is, when the folder is not a stack's.
   */
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

  const inWords = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw asFolderFailure(error, dir);
    }
  };
  const locked = async <T>(work: () => Promise<T>): Promise<T> => {
    const held = await lock(`stack ${dir}`, {
      signal,
      withinMs: LOCK_WITHIN_MS,
      onWait: (owner) => report('stack', `waiting for another process (${owner}) that works on ${dir}`),
    });
    try {
      return await inWords(work);
    } finally {
      await held.release();
    }
  };

  return {
    dir,
    exists: () => inWords(() => isStackFolder(dir)),
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
        throw error;
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
        await isStackFolder(dir);
        await stopAll(dir, report);
        await deleteStackFolder(dir, options.files ?? []);
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

/**
 * Goes by pid files alone, so that a damaged state file does not keep servers running. Only by those that our processes wrote:
 * another program's `run/redis.pid` is not ours to delete.
 */
async function stopAll(dir: string, report: (service: ServiceName, message: string) => void): Promise<void> {
  await Promise.all(
    SERVICE_NAMES.map(async (name) => {
      const home = serviceHome(dir, name);
      const service = SERVICES[name];
      if (!service.processes.some((process) => wasStarted(home, process.name))) return;
      report(name, 'stopping');
      for (const process of service.processes) await stop(home, process);
      report(name, 'stopped');
    }),
  );
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
