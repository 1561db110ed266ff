import { appendFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceName } from './addresses.ts';
import { startFailure } from './failure.ts';
import type { Machine, ServiceHome } from './service.ts';

const UNFINISHED = 'unfinished-';

/**
 * An empty folder for data that is being made, to be renamed when it is complete. Its name is new each time: the tool of an
 * `up` that was killed may still be writing into an older one. Removes those.
 */
export async function newUnfinishedFolder(dir: string): Promise<string> {
  for (const name of await readdir(dir)) {
    if (name.startsWith(UNFINISHED))
      await rm(join(dir, name), { recursive: true, force: true, maxRetries: 10 });
  }
  return mkdtemp(join(dir, UNFINISHED));
}

/** Runs a server's own tool that prepares its data, once. Its output goes to the service's log; throws when it fails. */
export async function runPreparation(
  service: ServiceName,
  machine: Machine,
  home: ServiceHome,
  [command = '', ...args]: readonly string[],
): Promise<void> {
  const { exitCode, output } = await machine.programs.run(command, args, { cwd: home.dir });
  appendToLog(home.logFile, output);
  if (exitCode === 0) return;
  throw startFailure({
    service,
    what: 'could not prepare its data folder',
    code: 'unreachable',
    logFile: home.logFile,
    log: output,
    dataDir: home.dir,
  });
}

function appendToLog(logFile: string, text: string): void {
  try {
    appendFileSync(logFile, text, { mode: 0o600 });
  } catch {
    // The disk may be full, which the failure itself is about to say.
  }
}
