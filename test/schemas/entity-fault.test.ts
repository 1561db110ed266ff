import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EntityOf } from '../../schemas/change.ts';
import { entityFault } from '../../schemas/entity-fault.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import { float32Bytes, HOSTILE_SCALARS, HOSTILE_TEXTS, sampleEntity } from '../support/entities.ts';

function faultOf<K extends Kind>(kind: K, changed: Partial<EntityOf[K]>): string | undefined {
  return entityFault<K>(kind, { ...sampleEntity(kind, { name: 'sound' }), ...changed });
}

describe('an entity that every store can hold', () => {
  for (const kind of KINDS) {
    it(`may be a ${kind} with hostile text in every place`, () => {
      for (const name of HOSTILE_TEXTS) {
        assert.equal(
          entityFault<Kind>(kind, sampleEntity<Kind>(kind, { name, scalars: HOSTILE_SCALARS })),
          undefined,
          name,
        );
      }
    });
  }

  it('has ids that are not empty, not too long, and without NUL or half characters', () => {
    assert.match(faultOf('agent', { id: '' }) ?? '', /id is empty/);
    assert.match(faultOf('agent', { id: 'a\u0000b' }) ?? '', /NUL/);
    assert.match(faultOf('agent', { id: '\ud800' }) ?? '', /surrogate/);
    assert.match(faultOf('agent', { id: 'x'.repeat(1_025) }) ?? '', /longer than 1024 bytes/);
    assert.match(faultOf('agent', { id: 7 as unknown as string }) ?? '', /not a string/);
    assert.match(faultOf('policy', { agentId: '' }) ?? '', /agentId is empty/);
  });

  it('has attributes of which each can be stored', () => {
    assert.match(
      faultOf('agent', { attributes: { age: Number.NaN } }) ?? '',
      /attributes.age is not a finite number/,
    );
    assert.match(
      faultOf('agent', { attributes: { bio: 'a\u0000' } }) ?? '',
      /attributes.bio contains the NUL/,
    );
    const inherited = JSON.parse('{"__proto__": 1}') as Record<string, number>;
    assert.match(faultOf('agent', { attributes: inherited }) ?? '', /__proto__/);
  });

  it('has a strength from 0 to 100 and a type that is a plain name', () => {
    assert.equal(faultOf('relationship', { strength: 100 }), undefined);
    assert.match(faultOf('relationship', { strength: 100.1 }) ?? '', /not between 0 and 100/);
    assert.match(faultOf('relationship', { strength: -1 }) ?? '', /not between 0 and 100/);
    for (const type of ['', 'A B', 'A`B', '1A', 'A-B', 'x'.repeat(101)]) {
      assert.match(faultOf('relationship', { type }) ?? '', /not a name/, type);
    }
    assert.equal(faultOf('relationship', { type: 'KENNT_友達' }), undefined);
  });

  it('has a vector of finite components, four bytes for each dimension', () => {
    const vector = (components: readonly number[]) => ({ vector: float32Bytes(components), dimension: 2 });
    assert.equal(faultOf('embedding', vector([1, -0])), undefined);
    assert.match(faultOf('embedding', vector([1, Number.NaN])) ?? '', /NaN at place 1/);
    assert.match(faultOf('embedding', vector([Number.NEGATIVE_INFINITY, 1])) ?? '', /-Infinity at place 0/);
    assert.match(faultOf('embedding', vector([1, 2, 3])) ?? '', /12 bytes, not 4 for each of its 2/);
    assert.match(faultOf('embedding', { vector: float32Bytes([]), dimension: 0 }) ?? '', /vector is empty/);
  });

  it('has whole numbers where numbers count', () => {
    assert.match(faultOf('q-value', { visits: 1.5 }) ?? '', /visits is not a whole number/);
    assert.match(faultOf('experience', { step: 2 ** 53 }) ?? '', /step is not a whole number/);
    assert.match(faultOf('policy', { actions: { '0': 0.5 } }) ?? '', /an action is not a whole number/);
  });
});
