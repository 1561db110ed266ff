import assert from 'node:assert/strict';
import type { Capture, Drain, EntityWrite, OutboxEntry, WriteResult } from '../../connectors/capture.ts';
import type { Store } from '../../connectors/connector.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { keyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Held } from '../../schemas/version.ts';
import { type HOSTILE_SCALARS, sampleEntity, sampleKey } from '../support/entities.ts';

export type Sampled = {
  readonly name: string;
  readonly variant?: number;
  readonly scalars?: typeof HOSTILE_SCALARS;
};

export function putOf<K extends Kind>(kind: K, sample: Sampled, eventId?: string): EntityWrite {
  const entity = sampleEntity(kind, sample);
  const write = { kind, key: keyOf(kind, entity), entity };
  return (eventId === undefined ? write : { ...write, eventId }) as unknown as EntityWrite;
}

export const deleteOf = (kind: Kind, name: string): EntityWrite =>
  ({ kind, key: sampleKey(kind, name), entity: null }) as EntityWrite;

export function captureOf(store: Store): Capture {
  assert.ok(store.capture, 'the store was opened with capture settings, but has no capture');
  return store.capture;
}

export async function claimed(capture: Capture): Promise<Drain> {
  const drain = await capture.claim();
  assert.ok(drain, 'nobody else drains, but the claim was refused');
  return drain;
}

export const SOON = new AbortController().signal;

/** Everything that is in the outbox now, oldest first; discards it. */
export async function drained(store: Store): Promise<readonly OutboxEntry[]> {
  const drain = await claimed(captureOf(store));
  const all: OutboxEntry[] = [];
  try {
    for (;;) {
      const { entries, unreadable } = await drain.next({ limit: 100, waitMs: 0, signal: SOON });
      assert.deepEqual(unreadable, []);
      if (entries.length === 0) break;
      all.push(...entries);
      await drain.discard(entries.map(({ id }) => id));
    }
  } finally {
    await drain.close();
  }
  return all;
}

export async function written(capture: Capture, ...writes: EntityWrite[]): Promise<readonly number[]> {
  return (await capture.write(writes)).map(versionIn);
}

export function versionIn(result: WriteResult): number {
  assert.equal(result.status, 'written', JSON.stringify(result));
  return result.status === 'written' ? result.version : 0;
}

export async function heldOf(store: Store, kind: Kind, key: string): Promise<Held<Kind> | undefined> {
  const [held] = await store.source.get(kind, [key]);
  return held as Held<Kind> | undefined;
}

export type Opened = () => Store;

export function assertIncreasing(entries: readonly OutboxEntry[]): void {
  for (const [index, { change }] of entries.entries()) {
    const previous = entries[index - 1]?.change.version ?? 0;
    assert.ok(change.version > previous, `version ${change.version} after ${previous}`);
  }
}

/** Without the classes that Avro and drivers give to records and bytes. */
export function plainOf<E extends object>(entity: E | null): E | null {
  if (entity === null) return null;
  const fields = Object.entries(entity).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? Buffer.from(value) : isPlainable(value) ? { ...value } : value,
  ]);
  return Object.fromEntries(fields) as E;
}

export function isPlainable(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof ChangeoverError && error.code === code;
}
