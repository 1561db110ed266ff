import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type IdentityOf, keyOf, parseKey, scanKeyOf } from '../../schemas/keys.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import { compareScanKeys, isInRange, rangesBetween } from '../../schemas/scan-order.ts';
import { sampleEntity } from '../support/entities.ts';

const id = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1 }),
  fc.constantFrom('[', '["a"]', '["a","b"]', '"', '|', ':', '\\', '😀', 'a\nb'),
);

const IDENTITIES: { readonly [K in Kind]: fc.Arbitrary<IdentityOf[K]> } = {
  agent: fc.record({ id }),
  relationship: fc.record({ source: id, type: id, target: id }),
  embedding: fc.record({ id }),
  experience: fc.record({ id }),
  'q-value': fc.record({ agentId: id, state: id, action: fc.maxSafeInteger() }),
  policy: fc.record({ agentId: id, name: fc.oneof(fc.constant(''), id) }),
};

for (const kind of KINDS) {
  describe(`the key of a ${kind}`, () => {
    it('reads back to the identity that it was made from', () => {
      fc.assert(
        fc.property(IDENTITIES[kind], (identity) => {
          assert.deepEqual({ ...parseKey(kind, keyOf(kind, identity)) }, { ...identity });
        }),
      );
    });

    it('is another one for another identity', () => {
      fc.assert(
        fc.property(IDENTITIES[kind], IDENTITIES[kind], (left, right) => {
          const same = JSON.stringify(left) === JSON.stringify(right);
          assert.equal(keyOf(kind, left) === keyOf(kind, right), same);
        }),
      );
    });
  });
}

it('a text that is not a key of its kind is refused', () => {
  for (const key of ['x', '[]', '["a"]', '["a","b",3]', '["a","b","c","d"]']) {
    assert.throws(() => parseKey('relationship', key), /Not the key of a relationship/);
  }
  assert.throws(() => parseKey('q-value', '["a","b",1.5]'), /Not the key of a q-value/);
  assert.throws(() => parseKey('policy', '[1]'), /Not the key of a policy/);
});

describe('the scan order', () => {
  it('is the byte order of UTF-8, part by part', () => {
    fc.assert(
      fc.property(id, id, (left, right) => {
        assert.equal(
          Math.sign(compareScanKeys([left], [right])),
          Buffer.compare(Buffer.from(left), Buffer.from(right)),
        );
      }),
    );
    assert.ok(compareScanKeys(['a', 'z'], ['a b', 'a']) < 0);
    assert.ok(compareScanKeys(['a', 's', 2], ['a', 's', 10]) < 0);
  });

  it('puts every place into exactly one of the ranges between boundaries', () => {
    fc.assert(
      fc.property(fc.uniqueArray(id), id, (names, name) => {
        const boundaries = names.map((each) => [each]).sort(compareScanKeys);
        const place = scanKeyOf('agent', sampleEntity('agent', { name }));
        assert.equal(rangesBetween(boundaries).filter((range) => isInRange(place, range)).length, 1);
      }),
    );
  });
});
