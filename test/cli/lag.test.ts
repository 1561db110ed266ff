import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertNotStalled, isUndecided, type StoreLag } from '../../cli/work/lag.ts';
import { ChangeoverError } from '../../core/errors.ts';

type Partition = StoreLag['partitions'][number];

const PARTITION: Partition = {
  kind: 'agent',
  topic: 't.agents',
  partition: 0,
  committed: 3,
  records: 4,
  missing: 0,
  forgotten: false,
  seconds: 1,
  state: 'OK',
  reason: '',
};

function lag(more: Partial<StoreLag>, partition: Partial<Partition> = {}): StoreLag {
  return {
    store: 'target.postgres',
    group: 't.target.postgres',
    members: 1,
    state: 'OK',
    records: 4,
    seconds: 1,
    watchedMs: 0,
    partitions: [{ ...PARTITION, ...partition }],
    ...more,
  };
}

describe('whether `lag` has to look again', () => {
  it('is so until a store that is behind was watched for as long as it takes to tell a stop, however long a look takes', () => {
    for (const watchedMs of [0, 9_999]) assert.ok(isUndecided([lag({ watchedMs })]));
    assert.ok(!isUndecided([lag({ watchedMs: 10_000 })]));
  });

  it('is not so where it is known already', () => {
    for (const known of [{ state: 'STALLED' }, { records: 0 }, { members: 0 }] as const)
      assert.ok(!isUndecided([lag(known)]));
  });
});

describe('`lag --check`', () => {
  const hintOf = (lags: readonly StoreLag[]): string => {
    try {
      assertNotStalled(lags);
    } catch (error) {
      assert.ok(error instanceof ChangeoverError);
      assert.equal(error.code, 'stalled');
      return error.hint ?? '';
    }
    return '';
  };

  it('says of a gap that it is one, and of a store that has stopped to look at `run`', () => {
    const stalled = { state: 'STALLED', reason: 'why' } as const;
    assert.match(hintOf([lag({}, { ...stalled, missing: 2 })]), /exit code 9/);
    assert.match(hintOf([lag({}, { ...stalled, forgotten: true })]), /exit code 9/);
    assert.match(hintOf([lag({}, stalled)]), /See that `changeover run` is running/);
  });

  it('is silent where a store is slow', () => {
    assert.equal(hintOf([lag({ state: 'SLOW' }, { state: 'SLOW' })]), '');
  });
});
