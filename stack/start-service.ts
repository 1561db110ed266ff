/** From "some of its processes do not run" to "clients can work with it", or one error that says why not. */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../core/errors.ts';
import { startFailure } from './failure.ts';
import { logSince, logSize, rotateLog } from './logs.ts';
import { isRunning } from './process.ts';
import type { ServiceHome, StackService, Start } from './service.ts';

const PROBE_EVERY_MS = 100;

/** Resolves with the milliseconds from start to ready. */
export async function startService(
  service: StackService,
  home: ServiceHome,
  start: Start,
  signal: AbortSignal,
): Promise<number> {
  rotateLog(home.logFile);
  const logStart = logSize(home.logFile);
  const startedMs = Date.now();
  await start();
  await untilReady(service, home, signal, logStart);
  return Date.now() - startedMs;
}

/**
 * Repeats the probe until it succeeds. Throws when a process has ended or the service's time is over, with the part of its
 * log after `logStart`.
 */
export async function untilReady(
  service: StackService,
  home: ServiceHome,
  signal: AbortSignal,
  logStart = 0,
): Promise<void> {
  const deadline = Date.now() + service.readyWithinMs;
  for (;;) {
    const problem = await attempt(service, home);
    const ended = service.processes.some((process) => !isRunning(home, process.name));
    if (problem === undefined && !ended) return;
    signal.throwIfAborted();
    if (ended || Date.now() > deadline) {
      const seconds = service.readyWithinMs / 1000;
      throw startFailure({
        service: service.name,
        what: ended ? 'ended while starting' : `was not ready within ${seconds} s (${messageOf(problem)})`,
        code: ended ? 'unreachable' : 'timeout',
        logFile: home.logFile,
        log: logSince(home.logFile, logStart),
        dataDir: home.dir,
        cause: problem,
      });
    }
    await sleep(PROBE_EVERY_MS, undefined, { signal });
  }
}

async function attempt(service: StackService, home: ServiceHome): Promise<unknown> {
  try {
    await service.ready(home);
    return undefined;
  } catch (error) {
    return error ?? 'unknown';
  }
}
