import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { increaseOf } from './follower-counts.ts';
import { Proof } from './proof.ts';

describe('what shows that a fault struck', () => {
  it('is not there where nothing was counted', () => {
    for (const [count, least] of [
      [0, undefined],
      [0, 0],
      [-1, 0],
      [Number.NaN, undefined],
      [2, 3],
    ] as const)
      assert.throws(() => Proof.counted(count, 'records', least), /did not strike/);
  });

  it('is not there where what nobody else can have added to is more or less than the fault is made of', () => {
    for (const [count, expected] of [
      [2, 3],
      [4, 3],
      [0, 0],
      [Number.NaN, 3],
    ] as const)
      assert.throws(() => Proof.exactly(count, 'records', expected), /did not strike/);
    assert.equal(String(Proof.exactly(3, 'records', 3)), '3 records');
  });

  it('says what was counted', () => {
    const proof = Proof.all(Proof.counted(3, 'records', 3), Proof.counted(1, 'deadlock'));
    assert.equal(String(proof), '3 records; 1 deadlock');
  });

  it('counts from 0 again where a process has been started again', () => {
    const reading = (...values: readonly number[]) => values.map((value) => new Map([['stale', value]]));
    assert.equal(increaseOf(reading(10, 20), reading(15, 20), 'stale'), 5);
    assert.equal(increaseOf(reading(10, 20), reading(4, 20), 'stale'), 4);
    assert.equal(increaseOf([], reading(4, 20), 'stale'), 24);
    assert.equal(increaseOf([], [new Map()], 'stale'), 0);
  });
});
