import assert from 'node:assert/strict';
import type { Redis } from 'ioredis';
import type { Drain, OutboxEntry, UnreadableEntry } from '../../connectors/capture.ts';
import type { Store } from '../../connectors/connector.ts';
import type { OutboxOptions } from '../../connectors/outbox-options.ts';
import { REDIS_KINDS } from '../../connectors/redis/layout.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type Held, join } from '../../schemas/version.ts';
import { capturePlace, type RedisCapturePlace } from './redis-capture-support.ts';
import { scanAll } from './redis-support.ts';

export interface Intercepted {
  readonly place: RedisCapturePlace;
  readonly store: Store;
  /** What the application uses. */
  readonly redis: Redis;
  /** On the same keys, uncaptured. */
  readonly bare: Redis;
  readonly prefix: string;
}

/** A place with capture installed and an intercepted client, for one test. */
export function withIntercepted(
  work: (given: Intercepted) => Promise<void>,
  outbox?: Partial<OutboxOptions>,
): () => Promise<void> {
  return async () => {
    const place = capturePlace(outbox);
    try {
      const store = await place.open();
      try {
        await store.capture?.install();
        const { redis: bare, prefix } = place.corner;
        await work({ place, store, redis: place.intercepted(), bare, prefix });
      } finally {
        await store.close();
      }
    } finally {
      await place.remove();
    }
  };
}

export async function claimed(store: Store): Promise<Drain> {
  const drain = await store.capture?.claim();
  assert.ok(drain);
  return drain;
}

export interface Drained {
  readonly entries: readonly OutboxEntry[];
  readonly unreadable: readonly UnreadableEntry[];
}

/** Everything in the outbox, and discards it. */
export async function drainAll(store: Store): Promise<Drained> {
  const drain = await claimed(store);
  const entries: OutboxEntry[] = [];
  const unreadable: UnreadableEntry[] = [];
  try {
    for (;;) {
      const batch = await drain.next({ limit: 1_000, waitMs: 0, signal: new AbortController().signal });
      if (batch.entries.length + batch.unreadable.length === 0) return { entries, unreadable };
      entries.push(...batch.entries);
      unreadable.push(...batch.unreadable);
      await drain.discard([...batch.entries, ...batch.unreadable].map(({ id }) => id));
    }
  } finally {
    await drain.close();
  }
}

/** What was captured, in a line each. */
export function lines(entries: readonly OutboxEntry[]): readonly string[] {
  return entries.map(({ change }) => `${change.op} ${change.kind} ${change.key}`);
}

export type Folded = Map<string, Held<Kind>>;

/** What a follower holds that has seen all of it. Versions must have gone up, key by key. */
export function fold(entries: readonly OutboxEntry[], into: Folded = new Map()): Folded {
  for (const { change } of entries) {
    const name = `${change.kind} ${change.key}`;
    const held = into.get(name);
    assert.ok(change.version > (held?.version ?? 0), `${name}: ${change.version} after ${held?.version}`);
    into.set(name, join(held, { version: change.version, after: change.after }));
  }
  return into;
}

/** Every entity that the store holds, by kind and key, with its version. */
export async function contentsOf(store: Store): Promise<Folded> {
  const contents: Folded = new Map();
  for (const kind of REDIS_KINDS) {
    const { rows, rejected } = await scanAll(store, kind as Kind);
    assert.deepEqual(rejected, []);
    for (const { key, version, entity } of rows) contents.set(`${kind} ${key}`, { version, entity });
  }
  return contents;
}

/** What has been captured is what the store holds, versions included. */
export async function assertCaptured(store: Store, folded: Folded): Promise<void> {
  const alive = [...folded].filter(([, { entity }]) => entity !== null).sort(byName);
  assert.deepEqual([...(await contentsOf(store))].sort(byName), alive);
}

function byName([left]: [string, unknown], [right]: [string, unknown]): number {
  return left < right ? -1 : 1;
}
