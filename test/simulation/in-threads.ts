import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Outcome, SimulateOptions } from './simulate.ts';

/**
 * So many worlds are one thread's. A world that has ended leaves some 0.4 MB behind: a signal that is never aborted keeps its listeners
 * for ever, and with them all that a dead process held. They go with the thread.
 */
const SEEDS_PER_THREAD = 100;

export interface Share {
  readonly from: number;
  readonly to: number;
  readonly options: SimulateOptions;
}

/** The outcomes of these seeds, one thread after the other. */
export async function* inThreads({ from, to, options }: Share): AsyncGenerator<Outcome> {
  for (let first = from; first <= to; first += SEEDS_PER_THREAD) {
    const share: Share = { from: first, to: Math.min(to, first + SEEDS_PER_THREAD - 1), options };
    const worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData: share });
    const [outcomes] = (await once(worker, 'message')) as [readonly Outcome[]];
    await worker.terminate();
    yield* outcomes;
  }
}
