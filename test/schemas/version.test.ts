import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Held, isNewer, isVersion, join, nextVersion } from '../../schemas/version.ts';

/** A change of one key: the version decides the content, as an origin's does. */
const statement = fc.integer({ min: 1, max: 30 }).map((version) => ({
  version,
  after: version % 4 === 0 ? null : { id: 'a', type: `t${version}`, active: true, attributes: {} },
}));
const statements = fc.array(statement, { maxLength: 20 });

function joinAll(changes: readonly { readonly version: number; readonly after: Held<'agent'>['entity'] }[]) {
  return changes.reduce<Held<'agent'> | undefined>((held, change) => join<'agent'>(held, change), undefined);
}

describe('the version guard is a join', () => {
  it('gives the same state in any order', () => {
    fc.assert(
      fc.property(statements, fc.infiniteStream(fc.nat()), (changes, randoms) => {
        const shuffled = changes
          .map((change) => ({ change, place: randoms.next().value }))
          .sort((left, right) => left.place - right.place)
          .map(({ change }) => change);
        assert.deepEqual(joinAll(shuffled), joinAll(changes));
      }),
    );
  });

  it('gives the same state when parts were joined before', () => {
    fc.assert(
      fc.property(statements, statements, (left, right) => {
        const part = joinAll(right);
        const parts =
          part?.version === null || part === undefined ? [] : [{ version: part.version, after: part.entity }];
        assert.deepEqual(joinAll([...left, ...parts]), joinAll([...left, ...right]));
      }),
    );
  });

  it('gives the same state when changes are repeated', () => {
    fc.assert(
      fc.property(statements, (changes) => {
        assert.deepEqual(joinAll([...changes, ...changes]), joinAll(changes));
      }),
    );
  });

  it('never goes back', () => {
    fc.assert(
      fc.property(statements, statement, (changes, change) => {
        const held = joinAll(changes);
        assert.ok((join<'agent'>(held, change).version ?? 0) >= (held?.version ?? 0));
      }),
    );
  });

  it('lets anything win over a state without a version, and nothing over its equal', () => {
    assert.ok(isNewer(1, null));
    assert.ok(isNewer(1, undefined));
    assert.ok(!isNewer(7, 7));
    assert.ok(!isNewer(6, 7));
  });
});

describe('the version of a write', () => {
  it('is greater than the last one, whatever the clock does', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 50 })), (clock) => {
        let version: number | null = null;
        for (const nowUs of clock) {
          const next = nextVersion(version, nowUs);
          assert.ok(isVersion(next) || next === 0 || nowUs === 0);
          assert.ok(isNewer(next, version));
          assert.ok(next >= nowUs);
          version = next;
        }
      }),
    );
  });
});
