import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStack, type Stack } from '../stack/stack.ts';
import type { OwnServers } from '../test/faults/fault.ts';

const LOOK_EVERY_MS = 50;

/**
 * Does work on servers of its own, which are gone afterwards, or on those that CHANGEOVER_TEST_STACK names: these are others'
 * too, so `servers` is undefined then.
 */
export async function withServers<T>(
  name: string,
  signal: AbortSignal,
  work: (servers: OwnServers | undefined) => Promise<T>,
): Promise<T> {
  if ((process.env.CHANGEOVER_TEST_STACK ?? '') !== '') return work(undefined);
  const stack = await openStack({
    dir: join('.changeover', `${name}-${randomUUID().slice(0, 8)}`),
    signal,
    onProgress: ({ service, message }) => console.error(`  ${service.padEnd(10)} ${message}`),
  });
  try {
    await stack.up();
    const file = resolve(stack.dir, 'run', 'addresses.json');
    writeFileSync(file, JSON.stringify(await stack.addresses()), { mode: 0o600 });
    process.env.CHANGEOVER_TEST_STACK = file;
    return await work(serversOf(stack));
  } finally {
    await stack.reset();
  }
}

function serversOf(stack: Stack): OwnServers {
  const statusOf = async (server: string) => (await stack.status()).find(({ service }) => service === server);
  const pidOf = async (server: string) => (await statusOf(server))?.pids.at(-1);
  return {
    async kill(server) {
      const pid = await pidOf(server);
      if (pid === undefined) throw new Error(`${server} does not run.`);
      process.kill(pid, 'SIGKILL');
      while (isThere(pid)) await sleep(LOOK_EVERY_MS);
      return pid;
    },
    pidOf,
    up: async () => {
      await stack.up();
    },
    folderOf: (server) => join(stack.dir, server),
    logFileOf: (server) => join(stack.dir, 'logs', `${server}.log`),
  };
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
