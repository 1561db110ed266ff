import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_EVERY_MS = 5;

/** Looks until it has come to that; fails, saying what was waited for, when it has not in time. */
export async function until(reached: () => boolean | Promise<boolean>, withinMs: number): Promise<void> {
  const startedMs = performance.now();
  while (!(await reached())) {
    assert.ok(performance.now() - startedMs < withinMs, `not within ${withinMs} ms: ${reached}`);
    await sleep(LOOK_EVERY_MS);
  }
}
