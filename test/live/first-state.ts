import type { EntityOf } from '../../schemas/change.ts';
import { keyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { LearningRow, LegacyAgent, MemoryRow } from '../../society/legacy-shapes.ts';
import type { Society } from '../../society/society.ts';
import { agentOf, societyOf } from '../society/in-memory-society.ts';
import { canonical } from './canonical.ts';
import type { InitialState } from './evidence.ts';
import {
  entityAt,
  isThereAtFirst,
  KEYS_PER_KIND,
  KINDS_OF,
  LIVE_SPACE,
  originalToken,
  QUIET_KEYS_PER_KIND,
} from './key-space.ts';

/** What stands in the legacy stores before anything is captured, in the shapes of the legacy application. */
export function firstSociety(): Society {
  const ties = Map.groupBy(originals('relationship'), ({ source }) => source);
  const agents = originals('agent').map(
    ({ id, type, active, attributes }): LegacyAgent =>
      agentOf(id, { type, active, attributes, memory: memoryOf(ties.get(id) ?? []) }),
  );
  const memories = originals('embedding').map(
    ({ id, agentId, vector, metadata }): MemoryRow => ({
      id,
      agentId,
      text: String(metadata.text),
      model: LIVE_SPACE.model,
      vector: new Float32Array(Uint8Array.from(vector).buffer),
    }),
  );
  const learning: readonly LearningRow[] = [
    ...originals('experience').map((row): LearningRow => ({ kind: 'experience', ...row })),
    ...originals('q-value').map((row): LearningRow => ({ kind: 'q-value', ...row })),
    ...originals('policy').map(
      ({ name: _, revision: __, ...row }): LearningRow => ({ kind: 'policy', ...row }),
    ),
  ];
  return societyOf({ agents, memories, learning });
}

function memoryOf(ties: readonly EntityOf['relationship'][]): LegacyAgent['memory'] {
  return {
    friends: ties.map(({ target }) => target),
    relationships: Object.fromEntries(ties.map(({ target, strength }) => [target, strength])),
    relation_types: Object.fromEntries(ties.map(({ target, type }) => [target, type])),
  };
}

/** The same as the oracle knows it. */
export function firstStates(): readonly InitialState[] {
  return Object.values(KINDS_OF)
    .flat()
    .flatMap((kind: Kind) =>
      originals(kind).map((entity) => ({
        kind,
        key: keyOf(kind, entity as never),
        content: canonical(entity),
      })),
    );
}

function originals<K extends Kind>(kind: K): readonly EntityOf[K][] {
  return Array.from({ length: KEYS_PER_KIND + QUIET_KEYS_PER_KIND }, (_, index) => index)
    .filter((index) => index >= KEYS_PER_KIND || isThereAtFirst(index))
    .map((index) => entityAt(kind, index, originalToken(index)));
}
