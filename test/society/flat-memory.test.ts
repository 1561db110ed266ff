import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { generateSociety } from '../../society/generator/generate-society.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes in use after each tenth of a walk, once garbage is gone. */
function heapDuring(items: Iterable<unknown>, length: number): readonly number[] {
  const used: number[] = [];
  let count = 0;
  for (const _ of items) {
    if (++count % Math.floor(length / 10) !== 0) continue;
    collectGarbage();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    used.push(heapUsed + arrayBuffers);
  }
  assert.equal(used.length, 10);
  return used;
}

test('a walk holds no more at its end than at its start, however long it is', () => {
  const MEBIBYTE = 2 ** 20;
  const society = generateSociety({ agents: 50_000, seed: 1, dimension: 64, memoriesPerAgent: 1 });
  const learners = generateSociety({ agents: 50_000, seed: 1, experiencesPerLearner: 0 });
  const walks: readonly (readonly [Iterable<unknown>, number])[] = [
    [society.agents(), 50_000],
    [society.memories(), 50_000],
    [learners.learning(), [...learners.learning()].length],
  ];
  for (const [walk, length] of walks) {
    const used = heapDuring(walk, length);
    const growth = Math.max(...used.slice(5)) - Math.min(...used.slice(0, 5));
    // One agent with its ties takes 2 kB: holding on to the 25,000 of the second half would show as 50 MiB.
    assert.ok(growth < 8 * MEBIBYTE, `grew by ${growth / MEBIBYTE} MiB: ${used.join(', ')}`);
  }
});
