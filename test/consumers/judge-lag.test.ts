import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LagHistory, worstOf } from '../../consumers/lag/judge-lag.ts';
import type { PartitionLag } from '../../consumers/lag/read-lag.ts';

const BOUNDS = { maxSeconds: 60 };

function partition(committed: number | null, records: number, seconds: number, number = 0): PartitionLag {
  return { kind: 'agent', partition: number, committed, records, missing: 0, forgotten: false, seconds };
}

/** The worst state after each look, two seconds apart. */
function statesOf(looks: readonly (readonly PartitionLag[])[], members = 1): readonly string[] {
  const history = new LagHistory(BOUNDS);
  return looks.map((partitions, index) => worstOf(history.add({ atMs: index * 2_000, members, partitions })));
}

describe('the state of a lag', () => {
  it('is OK while nothing waits, whoever follows', () => {
    assert.deepEqual(statesOf([[partition(10, 0, 0)]], 0), ['OK']);
  });

  it('is STALLED at the first look where records wait for a group without a member', () => {
    assert.deepEqual(statesOf([[partition(10, 1, 0.1)]], 0), ['STALLED']);
    assert.deepEqual(statesOf([[partition(null, 1, 0.1)]], 0), ['STALLED']);
  });

  it('is STALLED where what comes next is gone, also when nothing waits', () => {
    assert.deepEqual(statesOf([[{ ...partition(10, 0, 0), missing: 100 }]]), ['STALLED']);
    const [judged] = new LagHistory(BOUNDS).add({
      atMs: 0,
      members: 1,
      partitions: [{ ...partition(10, 5, 1), missing: 3 }],
    });
    assert.match(judged?.reason ?? '', /a gap: 3 offsets from 10 on/);
  });

  it('is STALLED where the log has forgotten how far the group was, also when nothing waits', () => {
    for (const records of [0, 5]) {
      const [judged] = new LagHistory(BOUNDS).add({
        atMs: 0,
        members: 1,
        partitions: [{ ...partition(null, records, 0), forgotten: true }],
      });
      assert.deepEqual([judged?.state, judged?.records], ['STALLED', records]);
      assert.match(judged?.reason ?? '', /a gap: how far the group was is lost/);
    }
  });

  it('is STALLED when a group with members has committed nothing for ten seconds, and not before', () => {
    const looks = Array.from({ length: 6 }, (_, look) => [partition(10, 5, 1 + 2 * look)]);
    assert.deepEqual(statesOf(looks), ['OK', 'OK', 'OK', 'OK', 'OK', 'STALLED']);
  });

  it('is not STALLED while the group moves elsewhere, until a partition has stood still for a minute', () => {
    const looks = Array.from({ length: 31 }, (_, look) => [
      partition(10, 5, 2),
      partition(100 + look, 50 - look, 2, 1),
    ]);
    const states = statesOf(looks);
    assert.deepEqual([states[29], states[30]], ['OK', 'STALLED']);
  });

  it('is SLOW when a record has waited for longer than the bound, although the group moves', () => {
    assert.deepEqual(statesOf([[partition(10, 900, 61)], [partition(500, 500, 62)]]), ['SLOW', 'SLOW']);
  });

  it('is SLOW when more comes than goes, but not for a burst of a moment', () => {
    const growing = (seconds: number) => [
      [partition(10, 100, seconds)],
      [partition(20, 200, seconds)],
      [partition(30, 300, seconds)],
    ];
    assert.deepEqual(statesOf(growing(0.5)), ['OK', 'OK', 'OK']);
    assert.deepEqual(statesOf(growing(15)), ['OK', 'SLOW', 'SLOW']);
  });

  it('forgets that it stood still once it has caught up', () => {
    const still = Array.from({ length: 5 }, () => [partition(10, 5, 1)]);
    assert.deepEqual(statesOf([...still, [partition(15, 0, 0)], [partition(15, 5, 0.1)]]).at(-1), 'OK');
  });
});
