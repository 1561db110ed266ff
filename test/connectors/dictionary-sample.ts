import type { Store } from '../../connectors/connector.ts';
import type { Change } from '../../schemas/change.ts';
import { keyOf } from '../../schemas/keys.ts';
import { removal, upsert } from '../support/changes.ts';
import { agent, legacyAgent, openDictionary, scanned, tie } from './dictionary-support.ts';

export const V = 1_700_000_000_000_000;

export const LEGACY = {
  z: {
    ...legacyAgent('z', {
      friends: ['a', 'b'],
      relationships: { a: 7 },
      relation_types: { a: 'LIKES' },
      mood: 'x',
    }),
    extra: [1, { y: null }],
  },
  b: legacyAgent('b', { friends: ['z'] }),
  a: legacyAgent('a', { friends: ['b'] }),
};

export const key = (source: string, type: string, target: string) =>
  keyOf('relationship', { source, type, target });

/** An agent that comes, one that goes and leaves ties behind, ties of agents that were never there, several types. */
export const CHANGES: readonly Change[] = [
  upsert('agent', agent('new', { n: -0 }), V),
  upsert('agent', agent('a', { name: 'changed' }), V),
  removal('agent', 'b', V),
  removal('agent', 'never', V),
  upsert('relationship', tie('new', 'z', { type: 'KNOWS', strength: 1.5 }), V),
  upsert('relationship', tie('new', 'z', { type: 'ALLY', since: 5, properties: { k: 'v' } }), V),
  upsert('relationship', tie('z', 'a', { type: 'LIKES', strength: 9, since: 1 }), V),
  upsert('relationship', tie('z', 'a', { type: 'ALLY' }), V),
  removal('relationship', key('z', 'KNOWS', 'b'), V),
  upsert('relationship', tie('ghost', 'z', { strength: -0 }), V),
];

export async function stateOf(store: Store) {
  const agents = await scanned(store, 'agent');
  const ties = await scanned(store, 'relationship');
  const tombstones = await store.source.get('agent', ['b', 'never']);
  const gone = await store.source.get('relationship', [key('z', 'KNOWS', 'b')]);
  // Where something stands changes when the file is written anew.
  const rejected = [...agents.rejected, ...ties.rejected].map(({ reason }) => reason);
  return { agents: agents.rows, ties: ties.rows, rejected, tombstones, gone };
}

export async function stateIn(file: string) {
  const store = await openDictionary(file, { compactOnClose: false });
  try {
    return await stateOf(store);
  } finally {
    await store.close();
  }
}
