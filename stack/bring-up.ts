/** What `up` does while it holds the stack's lock. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ChangeoverError } from '../core/errors.ts';
import type { ServiceName, StackAddresses } from './addresses.ts';
import type { Cache } from './cache.ts';
import { isStackFolder, makeStackFolder } from './folder.ts';
import { serviceHome } from './home.ts';
import { createPortReservations, type PortReservations } from './ports.ts';
import { isRunning, stop } from './process.ts';
import type { Programs } from './programs.ts';
import type { Machine, ManagedProcess, ServiceHome, StackService, Start } from './service.ts';
import { SERVICES } from './services.ts';
import { startService, untilReady } from './start-service.ts';
import { newSecret, readState, type StackState, withService, writeState } from './state.ts';

/** The checks for programs come before the downloads: after this long everything that is missing is known. */
const CHECKS_WITHIN_MS = 1_000;

export interface BringUpOptions {
  readonly dir: string;
  readonly services: readonly ServiceName[];
  readonly cache: Cache;
  readonly signal: AbortSignal;
  programs(signal: AbortSignal): Programs;
  report(service: ServiceName, message: string): void;
}

interface Plan {
  readonly service: StackService;
  readonly home: ServiceHome;
  /** Those that are to be started; empty when the service runs. */
  readonly missing: readonly ManagedProcess[];
}

/** Everything is installed before anything starts; then all services start at once, because most of a start is waiting. */
export async function bringUp<Name extends ServiceName>(
  options: BringUpOptions,
): Promise<Pick<StackAddresses, Name>> {
  const { dir } = options;
  const reservations = createPortReservations();
  try {
    const state = await prepare(dir, options.services, reservations);
    const plans = options.services.map((name) => planFor(SERVICES[name], serviceHome(dir, name, state)));
    const starts = await installAll(options, plans);
    await startAll(options, plans, starts);
    const addresses = plans.map(({ service, home }) => [service.name, service.address(home)]);
    return Object.fromEntries(addresses) as Pick<StackAddresses, Name>;
  } finally {
    await reservations.release();
  }
}

/** Folders, passwords and ports for what is to be started, written down before anything starts. */
async function prepare(
  dir: string,
  services: readonly ServiceName[],
  reservations: PortReservations,
): Promise<StackState> {
  // Throws when the folder is somebody else's, before anything is done to it.
  await isStackFolder(dir);
  let state = await readState(dir);
  for (const name of services) {
    const { service, home, missing } = planFor(SERVICES[name], serviceHome(dir, name));
    if (missing.length === 0) continue;
    for (const process of missing) await stop(home, process);
    const known = state.services[name];
    const ports: Record<string, number> = {};
    for (const port of service.portNames) ports[port] = await reservations.reserve(known?.ports[port]);
    state = withService(state, name, { secret: known?.secret ?? newSecret(), ports });
  }
  await makeStackFolder(dir);
  await writeState(dir, state);
  for (const folder of ['run', 'logs', ...services]) {
    await mkdir(join(dir, folder), { recursive: true, mode: 0o700 });
  }
  return state;
}

function planFor(service: StackService, home: ServiceHome): Plan {
  const dead = service.processes.findLastIndex((process) => !isRunning(home, process.name));
  // Those before a dead one need it, so they are started again with it.
  return { service, home, missing: service.processes.slice(0, dead + 1) };
}

/** Throws one error for all the programs that are missing: nobody wants to hear of them one by one. */
async function installAll(
  options: BringUpOptions,
  plans: readonly Plan[],
): Promise<ReadonlyMap<ServiceName, Start>> {
  const stopWaiting = new AbortController();
  const starts = new Map<ServiceName, Start>();
  const failures: unknown[] = [];
  await Promise.all(
    plans.map(async ({ service, home, missing }) => {
      if (missing.length === 0) return;
      try {
        starts.set(service.name, await service.install(machine(options, service, stopWaiting.signal), home));
      } catch (error) {
        if (stopWaiting.signal.aborted) return;
        failures.push(error);
        if (!isNotInstalled(error)) stopWaiting.abort();
        else setTimeout(() => stopWaiting.abort(), CHECKS_WITHIN_MS).unref();
      }
    }),
  );
  options.signal.throwIfAborted();
  if (failures.length > 0) throw oneOf(failures);
  return starts;
}

async function startAll(
  options: BringUpOptions,
  plans: readonly Plan[],
  starts: ReadonlyMap<ServiceName, Start>,
): Promise<void> {
  const failed = new AbortController();
  const results = await Promise.allSettled(
    plans.map(async ({ service, home }) => {
      try {
        await startOrCheck(service, home, machine(options, service, failed.signal), starts.get(service.name));
      } catch (error) {
        // The first failure is the one that counts; it ends the waiting of the others.
        if (!failed.signal.aborted) failed.abort(error);
        throw error;
      }
    }),
  );
  if (results.every((result) => result.status === 'fulfilled')) return;
  await Promise.all(
    plans.map(async ({ home, missing }) => {
      for (const process of missing) await stop(home, process);
    }),
  );
  throw failed.signal.reason;
}

async function startOrCheck(
  service: StackService,
  home: ServiceHome,
  { signal, report }: Machine,
  start: Start | undefined,
): Promise<void> {
  if (start === undefined) {
    await untilReady(service, home, signal);
    report('runs already');
    return;
  }
  report('starting');
  const tookMs = await startService(service, home, start, signal);
  report(`ready in ${(tookMs / 1000).toFixed(1)} s`);
}

function machine(options: BringUpOptions, service: StackService, stopWaiting: AbortSignal): Machine {
  const signal = AbortSignal.any([options.signal, stopWaiting]);
  return {
    signal,
    cache: options.cache,
    programs: options.programs(signal),
    report: (message) => options.report(service.name, message),
  };
}

function isNotInstalled(error: unknown): error is ChangeoverError {
  return error instanceof ChangeoverError && error.code === 'not-installed';
}

function oneOf(failures: readonly unknown[]): unknown {
  const other = failures.find((failure) => !isNotInstalled(failure));
  if (other !== undefined) return other;
  const missing = failures.filter(isNotInstalled);
  const distinct = (texts: readonly (string | undefined)[]) =>
    [...new Set(texts)].filter((text) => text !== undefined);
  return new ChangeoverError('not-installed', distinct(missing.map(({ message }) => message)).join('\n'), {
    hint: distinct(missing.map(({ hint }) => hint)).join('\n'),
  });
}
