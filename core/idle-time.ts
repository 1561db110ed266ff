import { performance } from 'node:perf_hooks';

/** Milliseconds in which this process had nothing to do but wait for others, since it began. */
export function idleMs(): number {
  return performance.eventLoopUtilization().idle;
}
