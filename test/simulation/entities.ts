import type { EntityOf } from '../../schemas/change.ts';
import { keyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { TEST_DIMENSION, TEST_SPACE, unitVector } from '../support/entities.ts';
import { OVERSIZED, POISON, type Sort } from './history.ts';

/** Of each kind: the keys that are written, and one more that nobody writes. */
export const INDEXES = (keysPerKind: number): readonly number[] =>
  Array.from({ length: keysPerKind + 1 }, (_, index) => index);

/** The entity of a key as the write with this token makes it: every content tells which write it stems from. */
export function entityFor<K extends Kind>(kind: K, index: number, token: number, sort: Sort): EntityOf[K] {
  const note = sort === 'poison' ? POISON : sort === 'oversized' ? OVERSIZED : 'sound';
  const marks = { token, note };
  const make: Partial<{ readonly [Each in Kind]: () => EntityOf[Each] }> = {
    agent: () => ({ id: `a${index}`, type: 'citizen', active: true, attributes: marks }),
    relationship: () => ({
      source: `a${index}`,
      target: `a${index === 0 ? 1 : 0}`,
      type: 'KNOWS',
      strength: token % 100,
      since: null,
      properties: marks,
    }),
    embedding: () => ({
      id: `e${index}`,
      agentId: `a${index}`,
      vector: unitVector(token, TEST_DIMENSION),
      dimension: TEST_DIMENSION,
      space: TEST_SPACE,
      metadata: marks,
    }),
    // It has no place for a note: it is always sound.
    'q-value': () => ({ agentId: `a${index}`, state: 's', action: 1, value: token / 3, visits: token }),
    policy: () => ({
      agentId: `a${index}`,
      name: '',
      algorithm: 'q-learning',
      environment: null,
      parameters: marks,
      actions: {},
      revision: token,
    }),
  };
  const entity = make[kind]?.();
  if (entity === undefined) throw new Error(`No ${kind} in the simulation.`);
  return entity as EntityOf[K];
}

export function keyFor(kind: Kind, index: number): string {
  return keyOf<Kind>(kind, entityFor(kind, index, 1, 'sound'));
}
