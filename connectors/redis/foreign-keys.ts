import { escapeBytes, textOf } from './bytes.ts';
import type { RedisClient } from './client/client.ts';
import { formatPattern, idIn, type KeyPattern } from './key-patterns.ts';
import type { Layout, RedisKind } from './layout.ts';
import { MARKS_KEY } from './options.ts';

type PatternName = keyof Layout['patterns'];

/** The kind whose versions hash speaks of the keys of a pattern. */
const KINDS: { readonly [name in PatternName]: RedisKind } = {
  agent: 'agent',
  qValues: 'q-value',
  policy: 'policy',
  namedPolicies: 'policy',
  experiences: 'experience',
};

const KEYS_PER_SCAN = 1_000;
/** A second or two of the server's time. Keys come in the order of their hashes, so those not seen are like those seen. */
const MAX_KEYS = 1_000_000;

/** A key that could be ours and that we have not written. */
export interface ForeignKey {
  readonly key: string;
  /** As in the configuration. */
  readonly pattern: string;
}

/**
 * A legacy Redis that was only ever read has no mark; a target that was pointed at it by mistake must not take it. So
 * in a place without the target's mark, each key of one of its patterns has to be one that we wrote: there is a versions
 * hash then, which is written with the first key. One pass of SCAN over so many keys at most: no proof, but it finds
 * what is no rarity.
 */
export async function findForeignKey(client: RedisClient, layout: Layout): Promise<ForeignKey | undefined> {
  const unmarked = await unmarkedPatterns(client, layout);
  if (unmarked.length === 0) return undefined;
  const ours = new Map<RedisKind, boolean>();
  for await (const key of keysOf(client)) {
    const found = unmarked.find(({ pattern }) => idIn(pattern, key.toString()) !== undefined);
    if (found === undefined) continue;
    const { kind, pattern } = found;
    // After the key was seen: of two that prepare at once, one may write already.
    if (!ours.has(kind)) ours.set(kind, await hasVersions(client, layout, kind));
    if (ours.get(kind) === true) continue;
    return { key: textOf(key) ?? escapeBytes(key), pattern: formatPattern(pattern) };
  }
  return undefined;
}

interface Unmarked {
  readonly kind: RedisKind;
  readonly pattern: KeyPattern;
}

async function unmarkedPatterns(client: RedisClient, { patterns }: Layout): Promise<readonly Unmarked[]> {
  const all = (Object.keys(KINDS) as PatternName[]).map((name) => ({
    kind: KINDS[name],
    pattern: patterns[name],
  }));
  const names = all.map(({ pattern }) => formatPattern(pattern));
  const marks = await client.call((redis) => redis.hmget(MARKS_KEY, ...names));
  return all.filter((_, index) => marks[index] === null);
}

async function* keysOf(client: RedisClient): AsyncGenerator<Buffer> {
  let cursor = '0';
  for (let seen = 0; seen < MAX_KEYS; seen += KEYS_PER_SCAN) {
    const [next, keys] = await client.call((redis) => redis.scanBuffer(cursor, 'COUNT', KEYS_PER_SCAN));
    yield* keys;
    cursor = next.toString();
    if (cursor === '0') return;
  }
}

async function hasVersions(client: RedisClient, layout: Layout, kind: RedisKind): Promise<boolean> {
  return (await client.call((redis) => redis.exists(layout.versionsKey(kind)))) === 1;
}
