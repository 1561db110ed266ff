import { ChangeoverError } from '../core/errors.ts';
import { tryParseJson } from '../core/json.ts';
import type { EntityOf } from './change.ts';
import type { Kind } from './kinds.ts';

/** The parts of an entity that name it: all that is needed to find it in a store. */
export interface IdentityOf {
  agent: { readonly id: string };
  relationship: { readonly source: string; readonly type: string; readonly target: string };
  embedding: { readonly id: string };
  experience: { readonly id: string };
  'q-value': { readonly agentId: string; readonly state: string; readonly action: number };
  policy: { readonly agentId: string; readonly name: string };
}

/** How one kind writes its identity as a Kafka record key and reads it back. Both directions are exact. */
interface KeyFormat<K extends Kind> {
  format(identity: IdentityOf[K]): string;
  parse(key: string): IdentityOf[K] | undefined;
}

const byId = {
  format: ({ id }: { readonly id: string }) => id,
  parse: (id: string) => ({ id }),
};

const FORMATS: { readonly [K in Kind]: KeyFormat<K> } = {
  agent: byId,
  embedding: byId,
  experience: byId,
  relationship: {
    format: ({ source, type, target }) => JSON.stringify([source, type, target]),
    parse: (key) => {
      const [source, type, target, more] = partsOf(key);
      if (typeof source !== 'string' || typeof type !== 'string' || typeof target !== 'string')
        return undefined;
      return more === undefined ? { source, type, target } : undefined;
    },
  },
  'q-value': {
    format: ({ agentId, state, action }) => JSON.stringify([agentId, state, action]),
    parse: (key) => {
      const [agentId, state, action, more] = partsOf(key);
      if (typeof agentId !== 'string' || typeof state !== 'string' || !Number.isSafeInteger(action)) {
        return undefined;
      }
      return more === undefined ? { agentId, state, action: action as number } : undefined;
    },
  },
  policy: {
    // The only policy of an agent has the agent's id as its key, unless that id could be read as an array.
    format: ({ agentId, name }) => {
      if (name === '' && !agentId.startsWith('[')) return agentId;
      return JSON.stringify(name === '' ? [agentId] : [agentId, name]);
    },
    parse: (key) => {
      if (!key.startsWith('[')) return { agentId: key, name: '' };
      const [agentId, name = '', more] = partsOf(key);
      if (typeof agentId !== 'string' || typeof name !== 'string' || more !== undefined) return undefined;
      return { agentId, name };
    },
  },
};

function partsOf(key: string): readonly unknown[] {
  const parts = tryParseJson(key);
  return Array.isArray(parts) ? parts : [];
}

/** The Kafka record key of an entity (or of as much of it as names it). */
export function keyOf<K extends Kind>(kind: K, identity: IdentityOf[K]): string {
  return FORMATS[kind].format(identity);
}

/** The identity that a key names; throws `mismatch` when it is not a key of that kind. */
export function parseKey<K extends Kind>(kind: K, key: string): IdentityOf[K] {
  const identity = FORMATS[kind].parse(key);
  if (identity === undefined) throw new ChangeoverError('mismatch', `Not the key of a ${kind}: ${key}`);
  return identity;
}

/**
 * A place in the order in which every source walks a kind: a tuple of texts (by code point) and integers. Different
 * from the key, because stores can sort by columns but not by our JSON.
 */
export type ScanKey = readonly (string | number)[];

const SCAN_KEYS: { readonly [K in Kind]: (entity: EntityOf[K]) => ScanKey } = {
  agent: ({ id }) => [id],
  relationship: ({ source, type, target }) => [source, type, target],
  embedding: ({ id }) => [id],
  experience: ({ agentId, id }) => [agentId, id],
  'q-value': ({ agentId, state, action }) => [agentId, state, action],
  policy: ({ agentId, name }) => [agentId, name],
};

export function scanKeyOf<K extends Kind>(kind: K, entity: EntityOf[K]): ScanKey {
  return SCAN_KEYS[kind](entity);
}
