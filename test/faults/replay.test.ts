import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge } from '../live/oracle.ts';
import { FAULTS } from './catalogue.ts';
import type { FaultReport } from './fault-outcome.ts';
import { isSound } from './fault-report.ts';
import { type Consumed, countsOf, unaccounted } from './replay.ts';

const SOUND: Consumed = {
  target: 'target.postgres',
  inLog: 1_203,
  received: 1_203,
  applied: 0,
  stale: 1_200,
  refused: 3,
  poison: 3,
  letters: { right: 3, others: 0 },
};

const NOTHING = { writes: [], initial: [], log: [], targets: [], decreases: [] };
const REPORT: FaultReport = {
  seed: 1,
  struck: [],
  seconds: 1,
  samples: 1,
  samplesOf: new Map([['target.postgres', 1]]),
  samplerFailures: [],
  evidence: NOTHING,
  verdict: judge(NOTHING),
  failures: [],
  consumed: [SOUND],
};

/** test/live/oracle.test.ts plants lies in the log, the versions and the stores; here are those in the accounts. */
describe('the accounts of a fault run', () => {
  it('are in order where every record is stale or dead-lettered when it comes once more', () => {
    assert.deepEqual(unaccounted(SOUND), []);
    assert.deepEqual(
      unaccounted({ ...SOUND, received: 1_210, stale: 1_207 }),
      [],
      'some were delivered again',
    );
    assert.ok(isSound(REPORT));
  });

  const lies: readonly (readonly [string, Partial<Consumed>])[] = [
    ['a record that a store had lost', { applied: 1, stale: 1_199 }],
    ['a record that was passed over', { received: 1_202, stale: 1_199 }],
    ['a record of which nothing became', { stale: 1_199 }],
    ['a sound record that was refused', { stale: 1_199, refused: 4, letters: { right: 3, others: 1 } }],
    ['poison without a dead letter', { letters: { right: 2, others: 0 } }],
    ['a dead letter of a sound record', { letters: { right: 3, others: 1 } }],
  ];
  for (const [what, lie] of lies) {
    it(`show ${what}`, () => {
      const consumed = { ...SOUND, ...lie };
      assert.notDeepEqual(unaccounted(consumed), []);
      assert.equal(isSound({ ...REPORT, consumed: [consumed] }), false);
    });
  }

  it('show a process that ended by itself', () => {
    const failure = { role: 'run', store: undefined, code: 1, stderr: '' } as const;
    assert.equal(isSound({ ...REPORT, failures: [failure] }), false);
  });

  it('show a target of which no version was looked at', () => {
    const samplesOf = new Map([
      ['target.postgres', 1],
      ['target.milvus', 0],
    ]);
    assert.equal(isSound({ ...REPORT, samplesOf }), false);
    const samplerFailures = [{ target: 'target.milvus', message: 'no connection' }];
    assert.equal(isSound({ ...REPORT, samplerFailures }), false);
  });

  it('are read from what the command says', () => {
    const line = 'target.postgres: 1,203 changes received, 0 applied, 1,200 stale, 3 refused\n';
    const { received, applied, stale, refused } = SOUND;
    assert.deepEqual(
      countsOf('target.postgres', `target.neo4j: 1 change received, 1 applied, 0 stale, 0 refused\n${line}`),
      {
        received,
        applied,
        stale,
        refused,
      },
    );
    assert.throws(() => countsOf('target.milvus', line), /does not say/);
  });
});

describe('the catalogue of faults', () => {
  it('has names that can be listed with commas between', () => {
    const names = FAULTS.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    assert.deepEqual(
      names.filter((name) => name.includes(',')),
      [],
    );
  });
});
