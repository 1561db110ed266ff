import { parentPort, workerData } from 'node:worker_threads';
import type { Share } from './in-threads.ts';
import { type Outcome, simulate } from './simulate.ts';

const { from, to, options } = workerData as Share;
const outcomes: Outcome[] = [];
for (let seed = from; seed <= to; seed++) outcomes.push(await simulate(seed, options));
parentPort?.postMessage(outcomes);
