import type { EntityOf } from '../../schemas/change.ts';
import { keyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { unitVector } from '../support/entities.ts';

/** The kinds whose origin each store is in these runs. */
export const KINDS_OF = {
  dictionary: ['agent', 'relationship'],
  neo4j: ['embedding'],
  redis: ['experience', 'q-value', 'policy'],
} as const satisfies Record<string, readonly Kind[]>;

export type OriginStore = keyof typeof KINDS_OF;
export const ORIGIN_STORES = Object.keys(KINDS_OF) as readonly OriginStore[];

/** Keys of each kind that the writers share: few, so that they meet. */
export const KEYS_PER_KIND = 40;
/** Keys of each kind that nobody writes: backfill alone brings them. */
export const QUIET_KEYS_PER_KIND = 300;
/** Of the shared keys, those that are there before anything is captured. */
export const isThereAtFirst = (index: number): boolean => index % 2 === 0;

export const LIVE_SPACE = { model: 'live-model', revision: '1', metric: 'cosine', normalised: true } as const;
export const LIVE_DIMENSION = 8;

/** Some ids that naive quoting breaks. */
export function agentId(index: number): string {
  switch (index % 8) {
    case 5:
      return `o'hara "${index}" \`tick\``;
    case 6:
      return `😀 \\${index}\n{id}`;
    case 7:
      return `constructor:${index}|1`;
    default:
      return `agent-${index}`;
  }
}

/** Each relationship shares its agents with others, so that deleting an agent takes several along. */
function endsOf(index: number): { readonly source: string; readonly target: string } {
  if (index < KEYS_PER_KIND) {
    // Of even ones both ends are even too: what is there at first has its agents there.
    return { source: agentId(index % 12), target: agentId((index * 7 + 4) % KEYS_PER_KIND) };
  }
  const next = index + 1 < KEYS_PER_KIND + QUIET_KEYS_PER_KIND ? index + 1 : KEYS_PER_KIND;
  return { source: agentId(index), target: agentId(next) };
}

/** Tokens below this are of what was there before anything was captured (`originalToken`). */
const TOKENS_PER_INCARNATION = 1_000_000;
/** Each incarnation of a writer counts from a place of its own; the first one is 1. */
export const firstTokenOf = (incarnation: number): number => TOKENS_PER_INCARNATION * incarnation;
export const originalToken = (index: number): number => index + 1;
const isOriginal = (token: number): boolean => token < TOKENS_PER_INCARNATION;

/**
 * The entity of a key as the write with this token makes it: the token is in the content, so every state tells which
 * write it stems from, and numbers are no round ones, so that a rounded one is another one.
 */
const ENTITIES: { readonly [K in Kind]: (index: number, token: number) => EntityOf[K] } = {
  agent: (index, token) => ({
    id: agentId(index),
    type: token % 2 === 0 ? 'citizen' : 'worker',
    active: token % 3 !== 0,
    attributes: { token, share: token / 3, name: `n ${token}`, minus: -0 },
  }),
  relationship: (index, token) => ({
    ...endsOf(index),
    type: 'KNOWS',
    strength: token / 9_999_991,
    since: isOriginal(token) || token % 2 === 0 ? null : 1_700_000_000_000 + token,
    // The legacy file has no place for them.
    properties: isOriginal(token) ? {} : { token },
  }),
  embedding: (index, token) => ({
    id: `memory ${index}`,
    agentId: agentId(index),
    vector: unitVector(token, LIVE_DIMENSION),
    dimension: LIVE_DIMENSION,
    space: LIVE_SPACE,
    metadata: { text: `text ${token}`, ...(isOriginal(token) ? {} : { token }) },
  }),
  experience: (index, token) => ({
    id: `experience ${index}`,
    agentId: agentId(index % 6),
    episode: token,
    step: index,
    state: `s ${token}`,
    action: token % 4,
    reward: -1 / (token + 3),
    nextState: `s' ${token}`,
    done: token % 2 === 0,
    at: 1_700_000_000_000 + index,
  }),
  'q-value': (index, token) => ({
    agentId: agentId(index % 6),
    state: `state ${index}`,
    action: index % 3,
    value: token / 3,
    visits: token,
  }),
  policy: (index, token) => ({
    agentId: agentId(index),
    name: '',
    algorithm: 'q-learning',
    environment: token % 2 === 0 ? null : 'grid',
    parameters: { token, alpha: 1 / (token + 1) },
    actions: { 'a state': token % 4 },
    revision: isOriginal(token) ? 0 : token,
  }),
};

export function entityAt<K extends Kind>(kind: K, index: number, token: number): EntityOf[K] {
  return ENTITIES[kind](index, token);
}

export function keyAt(kind: Kind, index: number): string {
  return keyOf(kind, entityAt(kind, index, 1) as never);
}
