import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CONFIGURATIONS, SMALL } from './configurations.ts';
import { explore, stepsOf } from './explore.ts';
import { showViolation } from './show.ts';
import { canonical, initialStates } from './state.ts';

describe('capture, relay and backfill beside live writes', () => {
  const explored: number[] = [];

  for (const [name, constants] of Object.entries(CONFIGURATIONS)) {
    it(`keep every promise in every state: ${name}`, (test) => {
      const { states, steps, depth, drained, violation } = explore({ constants, rules: null });
      test.diagnostic(`${states} distinct states, ${steps} steps, depth ${depth}, ${drained} drained`);
      assert.equal(violation && showViolation(violation), undefined);
      // A specification in which nothing ever arrives would keep its promises too.
      assert.ok(drained > 100, `${drained} states in which all is done`);
      explored.push(states);
      if (name === 'relay-killed') assert.ok(states >= 100_000, `${states} distinct states`);
    });
  }

  it('are explored in at least 100,000 distinct states', () => {
    const sum = explored.reduce((total, states) => total + states, 0);
    assert.ok(sum >= 500_000, `${sum} distinct states`);
  });
});

describe('the explorer', () => {
  it('visits as many states by their fingerprints as there are', () => {
    const constants = SMALL;
    const seen = new Set<string>();
    let frontier = initialStates(constants);
    while (frontier.length > 0) {
      const fresh = frontier.filter((state) => {
        const text = canonical(state);
        return !seen.has(text) && seen.add(text);
      });
      frontier = fresh.flatMap((state) => stepsOf(state, null).map(({ next }) => next));
    }
    const { states } = explore({ constants, rules: null });
    assert.ok(states > 20_000);
    assert.equal(states, seen.size);
  });
});
