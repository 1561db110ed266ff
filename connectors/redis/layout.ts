import type { IdentityOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type KeyPattern, keyFor, parsePattern } from './key-patterns.ts';
import type { RedisOptions } from './options.ts';

export const REDIS_KINDS = ['agent', 'experience', 'q-value', 'policy'] as const satisfies readonly Kind[];
export type RedisKind = (typeof REDIS_KINDS)[number];
/** The kinds of which each entity has a place of its own. Experiences stand in lists. */
export type PlacedKind = Exclude<RedisKind, 'experience'>;

/** Where things are: the application's patterns and the keys of our own. */
export interface Layout {
  readonly patterns: { readonly [name in keyof RedisOptions['keys']]: KeyPattern };
  readonly bookkeepingPrefix: string;
  /** Hash: entity's key to what versions.ts says. */
  versionsKey(kind: RedisKind): string;
  /** String: the greatest version that this store has seen. Live capture counts on from it. */
  readonly clockKey: string;
  /** Set: ids of the agents whose lists have all their experiences in the versions hash; '' when every list has. */
  readonly listedKey: string;
}

export function layoutOf({ keys, bookkeepingPrefix }: RedisOptions): Layout {
  const pattern = (text: string): KeyPattern => {
    const parsed = parsePattern(text);
    if (parsed === undefined) throw new Error(`Not a key pattern: ${text}`);
    return parsed;
  };
  return {
    patterns: {
      agent: pattern(keys.agent),
      qValues: pattern(keys.qValues),
      policy: pattern(keys.policy),
      namedPolicies: pattern(keys.namedPolicies),
      experiences: pattern(keys.experiences),
    },
    bookkeepingPrefix,
    versionsKey: (kind) => `${bookkeepingPrefix}versions:${kind}`,
    clockKey: `${bookkeepingPrefix}clock`,
    listedKey: `${bookkeepingPrefix}listed`,
  };
}

/** The place of one entity: a whole hash, a whole string, or one field of a hash. */
export interface Address {
  readonly shape: 'hash' | 'string' | 'field';
  readonly key: string;
  /** Empty unless the shape is `field`. */
  readonly field: string;
}

const ADDRESSES: { readonly [K in PlacedKind]: (identity: IdentityOf[K], layout: Layout) => Address } = {
  agent: ({ id }, { patterns }) => ({ shape: 'hash', key: keyFor(patterns.agent, id), field: '' }),
  'q-value': ({ agentId, state, action }, { patterns }) => ({
    shape: 'field',
    key: keyFor(patterns.qValues, agentId),
    field: `${state}|${action}`,
  }),
  policy: ({ agentId, name }, { patterns }) =>
    name === ''
      ? { shape: 'string', key: keyFor(patterns.policy, agentId), field: '' }
      : { shape: 'field', key: keyFor(patterns.namedPolicies, agentId), field: name },
};

export function addressOf<K extends PlacedKind>(kind: K, identity: IdentityOf[K], layout: Layout): Address {
  return ADDRESSES[kind](identity, layout);
}

/** Where an item is, in words that the owner of the application understands. */
export function whereIs({ shape, key, field }: Address): string {
  return shape === 'field' ? `key ${quote(key)}, field ${quote(field)}` : `key ${quote(key)}`;
}

export function quote(text: string): string {
  return JSON.stringify(text);
}
