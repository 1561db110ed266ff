import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { stopOnSignals } from '../cli/stop-signal.ts';
import { unlessAborted } from '../core/service.ts';
import type { DefaultService, StackAddresses } from '../stack/addresses.ts';
import { openStack, type Stack } from '../stack/stack.ts';

export type BenchStack = Pick<StackAddresses, DefaultService>;

/** Fresh servers for one benchmark. They are gone afterwards, also where it is interrupted. */
export async function withBenchStack<T, Name extends DefaultService = DefaultService>(
  work: (addresses: Pick<StackAddresses, Name>, stack: Stack<Name>) => Promise<T>,
  services?: readonly Name[],
): Promise<T> {
  const stop = new AbortController();
  stopOnSignals(stop);
  const stack = await openStack<Name>({
    dir: join('.changeover', 'bench'),
    ...(services !== undefined && { services }),
    signal: stop.signal,
    onProgress: ({ service, message }) => console.error(`  ${service.padEnd(10)} ${message}`),
  });
  if (await stack.exists()) await stack.reset();
  try {
    return await unlessAborted(work(await stack.up(), stack), stop.signal);
  } finally {
    await stack.reset();
    // The configurations of the processes hold passwords.
    await rm(stack.dir, { recursive: true, force: true });
  }
}
