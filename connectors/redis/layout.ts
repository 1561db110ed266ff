import type { IdentityOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { SLOTS, slotOf, tagOf } from './client/hash-slot.ts';
import { type KeyPattern, keyFor, parsePattern } from './key-patterns.ts';
import type { RedisOptions } from './options.ts';

export const REDIS_KINDS = ['agent', 'experience', 'q-value', 'policy'] as const satisfies readonly Kind[];
export type RedisKind = (typeof REDIS_KINDS)[number];
/** The kinds of which each entity has a place of its own. Experiences stand in lists. */
export type PlacedKind = Exclude<RedisKind, 'experience'>;

/**
 * Where things are: the application's patterns and the keys of our own.
 *
 * What a script changes together must be in one slot of a cluster. So there each slot has keys of our own, which a tag puts
 * into it, and what belongs to a key of the application is at `at(key)`. A single server has one layout for all keys.
 */
export interface Layout {
  readonly patterns: { readonly [name in keyof RedisOptions['keys']]: KeyPattern };
  readonly bookkeepingPrefix: string;
  /** Hash: entity's key to what versions.ts says. */
  versionsKey(kind: RedisKind): string;
  /** String: the greatest version that this store has seen. Live capture counts on from it. */
  readonly clockKey: string;
  /** Set: ids of the agents whose lists have all their experiences in the versions hash; '' when every list has. */
  readonly listedKey: string;
  /** Stream: what was captured and the log has not confirmed. */
  readonly outboxKey: string;
  /** Stream: entries of the outbox that the log can never take, each with its reason. */
  readonly asideKey: string;
  /** Hash: when writes first and last went uncaptured because the outbox was full, in µs since 1970. */
  readonly lostKey: string;
  /** String: names the relay that drains the outbox; ends when it is not renewed. */
  readonly relayKey: string;
  /** String: whether capture is installed. */
  readonly captureKey: string;
  /** Sorted set: mapped keys that expire, by when (ms since 1970). */
  readonly expiriesKey: string;
  /** The keys of our own that go with a key of the application. */
  at(key: string | Buffer): Layout;
  /** Undefined on a single server. */
  readonly cluster: ClusterPart | undefined;
}

/** What there is to a layout of one slot. */
export interface ClusterPart {
  readonly slot: number;
  /**
   * Two keys that nobody ever writes. A call of a script that names them is sent to the slot's node, knows its tag from the
   * last of them, and is refused before it begins (TRYAGAIN) while the slot moves to another node: what it meets of its own
   * keys would be on both.
   */
  readonly fence: readonly [string, string];
  /** Number: the greatest claim that has drained this slot's outbox (relayKey names the claim for all of them). */
  readonly fencedByKey: string;
  of(slot: number): Layout;
}

/** The keys that a script of capture is called with, beside those of the application. */
export function fenceOf({ cluster }: Layout): readonly string[] {
  return cluster?.fence ?? [];
}

/** Parts what is done in one call by the layout that its key belongs to: all of it together on a single server. */
export function byLayout<T>(
  items: readonly T[],
  keyIn: (item: T) => string,
  layout: Layout,
): readonly (readonly [layout: Layout, items: readonly T[]])[] {
  if (layout.cluster === undefined) return items.length === 0 ? [] : [[layout, items]];
  const groups = new Map<Layout, T[]>();
  for (const item of items) {
    const own = layout.at(keyIn(item));
    const group = groups.get(own);
    if (group === undefined) groups.set(own, [item]);
    else group.push(item);
  }
  return [...groups];
}

type LayoutOptions = Pick<RedisOptions, 'keys' | 'bookkeepingPrefix'>;

export function layoutOf(options: LayoutOptions): Layout {
  const layout: Layout = { ...ownKeys(options, ''), at: () => layout, cluster: undefined };
  return layout;
}

/** Slot 0's, where what there is but once stands. The others are made when they are asked for. */
export function clusterLayoutOf(options: LayoutOptions): Layout {
  const layouts = new Array<Layout | undefined>(SLOTS);
  const at = (key: string | Buffer) => of(slotOf(key));
  const of = (slot: number): Layout => {
    const known = layouts[slot];
    if (known !== undefined) return known;
    const tag = `{${tagOf(slot)}}`;
    const own = (name: string) => `${options.bookkeepingPrefix}${name}`;
    const cluster: ClusterPart = {
      slot,
      fence: [own(`none${tag}`), own(`never${tag}`)],
      fencedByKey: own(`relay${tag}:fence`),
      of,
    };
    const layout: Layout = { ...ownKeys(options, tag), at, cluster };
    layouts[slot] = layout;
    return layout;
  };
  return of(0);
}

function ownKeys({ keys, bookkeepingPrefix }: LayoutOptions, tag: string): Omit<Layout, 'at' | 'cluster'> {
  const pattern = (text: string): KeyPattern => {
    const parsed = parsePattern(text);
    if (parsed === undefined) throw new Error(`Not a key pattern: ${text}`);
    return parsed;
  };
  const own = (name: string, rest = '') => `${bookkeepingPrefix}${name}${tag}${rest}`;
  return {
    patterns: {
      agent: pattern(keys.agent),
      qValues: pattern(keys.qValues),
      policy: pattern(keys.policy),
      namedPolicies: pattern(keys.namedPolicies),
      experiences: pattern(keys.experiences),
    },
    bookkeepingPrefix,
    versionsKey: (kind) => own('versions', `:${kind}`),
    clockKey: own('clock'),
    listedKey: own('listed'),
    outboxKey: own('outbox'),
    asideKey: own('outbox', ':aside'),
    lostKey: own('outbox', ':lost'),
    relayKey: own('relay'),
    captureKey: own('capture'),
    expiriesKey: own('expiries'),
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
