import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { markOf } from '../../log/kafka/mark.ts';
import { Reading, type Take } from '../../log/kafka/reading.ts';
import type { Watermarks } from '../../log/kafka/watermarks.ts';
import type { LogRecord } from '../../log/log.ts';

const PLACE = { topic: 't', partition: 0 };

function marks(
  start: number,
  end: number,
  committed: Watermarks['committed'] | number = 'never',
): Watermarks {
  const found =
    typeof committed === 'number' ? { offset: committed, mark: null, topics: [] as string[] } : committed;
  return { ...PLACE, start, end, committed: found };
}

function records(first: number, count: number, name = 'a'): readonly LogRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    kind: 'agent',
    partition: 0,
    offset: first + index,
    key: `${name} ${first + index}`,
    value: Buffer.from('x'),
    headers: {},
    timestampMs: 1,
  }));
}

function take(reading: Reading, taken: readonly LogRecord[]): Take<LogRecord> {
  return reading.take({ ...PLACE, nextOffset: (taken.at(-1)?.offset ?? -1) + 1 }, taken);
}

function offsetsOf(result: Take<LogRecord>): readonly number[] {
  assert.equal(result.is, 'taken');
  return result.is === 'taken' ? result.records.map(({ offset }) => offset) : [];
}

describe('reading a partition', () => {
  it('begins where the group has committed, at the record before it, which is not taken again', () => {
    const reading = new Reading(false);
    const [before] = records(4, 1);
    assert.ok(before);
    const committed = { offset: 5, mark: markOf(before), topics: ['t'] };
    const { seeks, gaps } = reading.begin([PLACE], [marks(0, 9, committed)]);
    assert.deepEqual([seeks, gaps], [[{ ...PLACE, offset: 4 }], []]);
    assert.deepEqual(offsetsOf(take(reading, records(4, 3))), [5, 6]);
    assert.deepEqual(offsetsOf(take(reading, records(7, 2))), [7, 8]);
  });

  it('goes on where the record before it has expired meanwhile', () => {
    const reading = new Reading(false);
    reading.begin([PLACE], [marks(0, 9, { offset: 5, mark: 'gone', topics: ['t'] })]);
    assert.deepEqual(offsetsOf(take(reading, records(5, 2))), [5, 6]);
  });

  it('finds a gap where the record before it is another, or records are missing, or come again', () => {
    for (const [found, text] of [
      [records(4, 3, 'b'), /at offset 4 is another record/],
      [records(7, 1), /offsets 5 to 6 are missing/],
      [records(0, 3), /goes on at offset 0 instead of 5/],
    ] as const) {
      const reading = new Reading(false);
      const [before] = records(4, 1);
      assert.ok(before);
      reading.begin([PLACE], [marks(0, 9, { offset: 5, mark: markOf(before), topics: ['t'] })]);
      const result = take(reading, found);
      assert.match(result.is === 'gap' ? result.gap : result.is, text);
    }
  });

  it('goes on behind what is no record, and finds a gap in front of it and behind it all the same', () => {
    for (const [hidden, first, gap] of [
      [[5, 6], 7, undefined],
      [[5], 7, /offsets 5 to 6 are missing/],
      [[6], 7, /offsets 5 to 6 are missing/],
      [[5, 6], 8, /offsets 5 to 7 are missing/],
    ] as const) {
      const reading = new Reading(false);
      reading.begin([PLACE], [marks(0, 9, 5)]);
      const result = reading.take({ ...PLACE, hidden, nextOffset: first + 1 }, records(first, 1));
      if (gap === undefined) assert.deepEqual(offsetsOf(result), [7]);
      else assert.match(result.is === 'gap' ? result.gap : result.is, gap);
    }
    const reading = new Reading(false);
    reading.begin([PLACE], [marks(0, 9, 5)]);
    reading.pass({ ...PLACE, from: 6, to: 7 }, undefined);
    assert.match(JSON.stringify(take(reading, records(7, 1))), /offsets 5 to 6 are missing/);
  });

  it('says how far the group is behind what is no record, where it has dealt with everything before', () => {
    const reading = new Reading(false);
    reading.begin([PLACE], [marks(0, 9, 5)]);
    // The record at 5 has been taken, and not yet been dealt with.
    take(reading, records(5, 1));
    assert.equal(reading.pass({ ...PLACE, from: 6, to: 7 }, undefined), undefined);
    assert.equal(reading.pass({ ...PLACE, from: 7, to: 8 }, 5), undefined);
    assert.deepEqual([reading.nextAfter(PLACE, 5), reading.nextAfter(PLACE, 6)], [5, 8]);
    assert.equal(reading.pass({ ...PLACE, from: 8, to: 9 }, 6)?.offset, 9);
    assert.equal(reading.pass({ ...PLACE, from: 8, to: 9 }, 9), undefined, 'once');
  });

  it('finds a gap where kafkajs has replaced what was committed, in a process that knows nothing of it', () => {
    const { gaps } = new Reading(false).begin([PLACE], [marks(0, 9, 'reset')]);
    assert.match(gaps.join(), /the place of the group was lost/);
  });

  it('remembers what was committed when kafkajs has replaced it', () => {
    const reading = new Reading(false);
    reading.begin([PLACE], [marks(0, 9, 5)]);
    reading.clear();
    assert.match(reading.begin([PLACE], [marks(7, 9, 'reset')]).gaps.join(), /offsets 5 to 6 are missing/);
    assert.deepEqual(
      reading.lastCommitted().map(({ offset }) => offset),
      [5],
    );
  });

  it('finds a gap where what it had yet to read expires before anything of it was committed', () => {
    const reading = new Reading(false);
    reading.begin([PLACE], [marks(0, 9)]);
    reading.clear();
    assert.match(reading.begin([PLACE], [marks(3, 9)]).gaps.join(), /offsets 0 to 2 are missing/);
  });

  it('accepts a gap at the start only, and then for good', () => {
    const reading = new Reading(true);
    const { accepted, seeks } = reading.begin([PLACE], [marks(7, 9, 5)]);
    assert.match(accepted[0]?.gap ?? '', /offsets 5 to 6 are missing/);
    assert.deepEqual(seeks, [{ ...PLACE, offset: 7 }]);
    reading.clear();
    // Not committed yet when the group is shared out anew.
    assert.deepEqual(reading.begin([PLACE], [marks(7, 9, 5)]).gaps, []);
    assert.deepEqual(offsetsOf(take(reading, records(7, 1))), [7]);
    reading.clear();
    assert.match(reading.begin([PLACE], [marks(9, 20, 8)]).gaps.join(), /offsets 8 to 8 are missing/);
  });

  it('is not overtaken by what expires behind it, nor by an answer that is older than what was read since', () => {
    const reading = new Reading(false);
    reading.begin([PLACE], [marks(0, 5)]);
    take(reading, records(0, 5));
    const before = reading.positions();
    take(reading, records(5, 5));
    assert.deepEqual(reading.overtaken([marks(8, 8)], before), []);
    assert.match(reading.overtaken([marks(12, 20)], before).join(), /offsets 10 to 11 are missing/);
    assert.match(reading.overtaken([marks(0, 3)], before).join(), /it ends at offset 3, before 5/);
  });

  it('commits in which topics the group has read, and says it again for the others when that is news', () => {
    const other = { topic: 'u', partition: 0 };
    const reading = new Reading(false);
    reading.begin([PLACE, other], [marks(0, 5, 2), { ...marks(0, 5), ...other }]);
    const commits = reading.toCommit([{ ...other, offset: 3, mark: 'm' }]);
    assert.deepEqual(
      commits.map(({ topic, offset, topics }) => [topic, offset, topics]),
      [
        ['u', 3, ['t', 'u']],
        ['t', 2, ['t', 'u']],
      ],
    );
    assert.equal(reading.toCommit([{ ...other, offset: 4, mark: 'm' }]).length, 1);
  });
});
