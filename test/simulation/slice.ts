import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inThreads } from './in-threads.ts';
import type { Outcome } from './simulate.ts';

/** So many seeds are one test. */
const SEEDS_PER_TEST = 250;

/** Runs the product through these seeds and finds nothing. */
export function holdsInSeeds(from: number, to: number): void {
  describe(`the product, in simulated worlds ${from} to ${to}`, () => {
    for (let first = from; first <= to; first += SEEDS_PER_TEST) {
      const last = Math.min(to, first + SEEDS_PER_TEST - 1);
      it(`loses, invents, resurrects and holds up nothing in seeds ${first} to ${last}`, async () => {
        let seen = 0;
        for await (const outcome of inThreads({ from: first, to: last, options: {} })) {
          assertSound(outcome);
          seen += 1;
        }
        assert.equal(seen, last - first + 1);
      });
    }
  });
}

function assertSound({ seed, violations }: Outcome): void {
  const said = violations.map(({ name, detail, atMs }) => `\n  ${name} at ${atMs.toFixed(1)} ms: ${detail}`);
  assert.equal(violations.length, 0, `npm run simulate -- --seed ${seed}${said.join('')}`);
}
