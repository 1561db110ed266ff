import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { simulate } from './simulate.ts';

const SEEDS = Array.from({ length: 600 }, (_, index) => index + 1);

/** What must have come about in some of a few worlds, or the simulation looks at less than it says. */
const MUST_HAPPEN: readonly (readonly [string, RegExp])[] = [
  ['a process dies with calls under way', /dies, [1-9]\d* calls under way/],
  ['a request of a dead process takes effect, another does not', /\(.* was never sent\)/],
  ['a process stands still past its session', /stands still/],
  ['a process is asked to end', /is asked to end/],
  ['a member is put out of its group and joins again', /joins its group again/],
  ['a request is lost', /: no answer$/],
  ['an answer is lost after the effect', /\(its answer is lost\)/],
  ['a request takes effect after it was given up', /\(late\)/],
  ['a server is down', /is down for/],
  ['a server is slow', /is slow/],
  ['a breaker opens', /breaker open/],
  ['a record comes again', /comes again/],
  ['a record is no change', /bytes that are no change/],
  ['the clock of the origin is set back', /set off by -/],
  ['calls of publish fail, and those behind them', /[2-9] calls of publish fail/],
  ['an entry is set aside', /sets aside/],
  ['dead letters are written', /writes \d+ dead letters/],
  ['changes are stale', /[1-9]\d* stale/],
  ['a member is delivered what it had before', /of generation ([2-9]|\d\d)/],
  ['a backfill goes on where it was', /backfill \d goes on/],
  ['a backfill has holes', /with [1-9]\d* holes/],
  ['a second relay takes over', /relay-1#\d+ +publishes/],
];

describe('the simulation', () => {
  it('replays a seed exactly', async () => {
    for (const seed of SEEDS.slice(0, 12)) {
      const [first, second] = [await simulate(seed), await simulate(seed)];
      assert.equal(second.hash, first.hash, `seed ${seed}`);
      assert.equal(second.steps, first.steps);
    }
  });

  it('goes another way with another seed', async () => {
    const hashes = await Promise.resolve(SEEDS.slice(0, 12)).then(async (seeds) => {
      const found: string[] = [];
      for (const seed of seeds) found.push((await simulate(seed)).hash);
      return found;
    });
    assert.equal(new Set(hashes).size, hashes.length);
  });

  it('lets everything go wrong that it is there for', async () => {
    const missing = new Map(MUST_HAPPEN);
    for (const seed of SEEDS) {
      const { trace } = await simulate(seed, { keepTrace: true });
      for (const [what, pattern] of missing)
        if (trace.some((line) => pattern.test(line))) missing.delete(what);
      if (missing.size === 0) return;
    }
    assert.deepEqual([...missing.keys()], []);
  });
});
