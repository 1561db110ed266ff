import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  freshRange,
  type RangeFact,
  rangeSubject,
  readFacts,
  writerSubject,
} from '../../producers/backfill/facts.ts';
import { isSettled, standingOf } from '../../producers/backfill/range-standing.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';

const RANGE: ScanRange = { after: ['b'], until: ['m', 3] };

function said(more: Partial<RangeFact> = {}): RangeFact {
  return { ...freshRange(RANGE, 1), ...more };
}

/** Every order in which they may have been written. */
function* orders<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length < 2) yield items;
  for (const [index, first] of items.entries()) {
    for (const rest of orders(items.toSpliced(index, 1))) if (items.length > 1) yield [first, ...rest];
  }
}

describe('what is true of a range when several processes have said how far it has come', () => {
  it('is the furthest of it, in whatever order it was said', () => {
    const furthest = said({ last: ['d', 2], published: 40 });
    const all = [
      said(),
      said({ last: ['c'], published: 10 }),
      furthest,
      said({ last: ['d', 1], published: 30 }),
    ];
    for (const order of orders(all)) assert.equal(standingOf(RANGE, order), furthest);
  });

  it('is done for good once somebody has said so', () => {
    const done = said({ status: 'done', last: ['c'] });
    const older = said({ last: ['f'] });
    const hole = said({ status: 'hole', last: ['g'], attempt: 2 });
    for (const order of orders([done, older, hole])) assert.equal(standingOf(RANGE, order), done);
  });

  it('is nothing that was said of other bounds', () => {
    const other = said({ range: { after: ['b'], until: ['n'] }, status: 'done', last: ['n'] });
    assert.equal(standingOf(RANGE, [other]), undefined);
    assert.equal(standingOf(RANGE, [other, said()])?.status, 'running');
  });

  it('is a hole until somebody comes further, and settled only in the attempt that found it', () => {
    const hole = said({ status: 'hole', last: ['c'], reason: 'unreadable' });
    const there = said({ last: ['c'] });
    for (const order of orders([hole, there])) assert.equal(standingOf(RANGE, order), hole);
    assert.equal(standingOf(RANGE, [hole, said({ last: ['d'], attempt: 2 })])?.status, 'running');
    assert.deepEqual(
      [1, 2].map((attempt) => isSettled(hole, attempt)),
      [true, false],
    );
    assert.deepEqual([isSettled(undefined, 1), isSettled(there, 1)], [false, false]);
    assert.equal(isSettled(said({ status: 'done' }), 7), true);
  });

  it('stays, when the same process has said something of a range of a plan that was replaced', async () => {
    const ofRange = rangeSubject(1, 'agent', 0);
    const done = said({ status: 'done', last: ['m', 3] });
    const replaced = freshRange({ after: ['b'], until: ['n'] }, 1);
    const control = new Map(
      [done, replaced].map((body) => {
        const subject = writerSubject(ofRange, 'one', body.range);
        return [subject, { subject, body, writer: 'one', writtenAt: 1 }];
      }),
    );
    const { ranges } = await readFacts({ read: async () => control });
    assert.deepEqual(standingOf(RANGE, ranges.get(ofRange) ?? []), done);
  });
});
