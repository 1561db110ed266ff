import { randomUUID } from 'node:crypto';
import type { Change, EntityOf, Path } from '../../schemas/change.ts';
import { keyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Held } from '../../schemas/version.ts';

interface ChangeOptions {
  readonly path?: Path;
  readonly store?: string;
}

/** One string per (kind, key); kinds contain no colon. */
export function identify(change: { readonly kind: string; readonly key: string }): string {
  return `${change.kind}:${change.key}`;
}

/** The change that says: as of `version`, the state is `entity`. */
export function upsert<K extends Kind>(
  kind: K,
  entity: EntityOf[K],
  version: number,
  options: ChangeOptions = {},
): Change {
  return change(kind, keyOf(kind, entity), entity, version, options);
}

/** The change that says: as of `version`, there is none. */
export function removal(kind: Kind, key: string, version: number, options: ChangeOptions = {}): Change {
  return change(kind, key, null, version, options);
}

function change<K extends Kind>(
  kind: K,
  key: string,
  after: EntityOf[K] | null,
  version: number,
  { path = 'shim', store = 'test' }: ChangeOptions,
): Change {
  return {
    kind,
    key,
    op: after === null ? 'd' : 'u',
    version,
    before: null,
    after,
    origin: { path, store, writer: 'test' },
    eventId: randomUUID(),
    capturedAt: version,
  } as unknown as Change;
}

/** A held state as plain data that `deepEqual` can compare, whatever class its bytes have. */
export function plainState<K extends Kind>(held: Held<K> | undefined): unknown {
  if (held === undefined) return undefined;
  const { version, entity } = held;
  if (entity === null || !('vector' in entity)) return { version, entity };
  return { version, entity: { ...entity, vector: Buffer.from(entity.vector).toString('hex') } };
}
