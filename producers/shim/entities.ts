import type { EntityWrite } from '../../connectors/capture.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import type { Agent, Embedding, EntityOf, Policy, Relationship } from '../../schemas/change.ts';
import { identityFault } from '../../schemas/entity-fault.ts';
import { type IdentityOf, keyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type Vector, vectorBytes } from './vector.ts';

type Optional<T, K extends keyof T> = Omit<T, K> & Partial<Pick<T, K>>;

/** An embedding as an application gives it. */
export type EmbeddingInput = Omit<Optional<Embedding, 'metadata' | 'dimension'>, 'vector'> & {
  readonly vector: Vector;
};

/** What an application gives of each kind: the entity, without what goes without saying. */
export interface InputOf {
  /** Without `attributes` there are none. */
  agent: Optional<EntityOf['agent'], 'attributes'>;
  /** Without `since` it is null, without `properties` there are none. */
  relationship: Optional<Relationship, 'since' | 'properties'>;
  /** `dimension` is the number of the vector's components; it need not be given. */
  embedding: EmbeddingInput;
  experience: EntityOf['experience'];
  'q-value': EntityOf['q-value'];
  /** Without `name` it is the agent's only policy, without `environment` it is null. */
  policy: Optional<Policy, 'name' | 'environment' | 'parameters' | 'actions'>;
}

const COMPLETE: { readonly [K in Kind]: (input: InputOf[K]) => EntityOf[K] } = {
  agent: (agent) => (agent.attributes === undefined ? { ...agent, attributes: {} } : (agent as Agent)),
  relationship: (tie) => ({ ...tie, since: tie.since ?? null, properties: tie.properties ?? {} }),
  embedding: (embedding) => {
    const vector = vectorBytes(embedding.vector);
    const dimension = vector.byteLength / 4;
    if (embedding.dimension !== undefined && embedding.dimension !== dimension) {
      throw rejected(`dimension is ${String(embedding.dimension)}, but vector has ${dimension} components`);
    }
    return { ...embedding, vector, dimension, metadata: embedding.metadata ?? {} };
  },
  experience: (experience) => experience,
  'q-value': (q) => q,
  policy: (policy) => ({
    ...policy,
    name: policy.name ?? '',
    environment: policy.environment ?? null,
    parameters: policy.parameters ?? {},
    actions: policy.actions ?? {},
  }),
};

const FIELDS: { readonly [K in Kind]: readonly (keyof EntityOf[K])[] } = {
  agent: ['id', 'type', 'active', 'attributes'],
  relationship: ['source', 'target', 'type', 'strength', 'since', 'properties'],
  embedding: ['id', 'agentId', 'vector', 'dimension', 'space', 'metadata'],
  experience: ['id', 'agentId', 'episode', 'step', 'state', 'action', 'reward', 'nextState', 'done', 'at'],
  'q-value': ['agentId', 'state', 'action', 'value', 'visits'],
  policy: ['agentId', 'name', 'algorithm', 'environment', 'parameters', 'actions', 'revision'],
};

/**
 * The entity that is meant. A caller without types can give anything at all: throws `change-rejected` for what is no
 * object, where its vector is none, and for a field that no entity has.
 */
function entityFrom<K extends Kind>(kind: K, input: InputOf[K]): EntityOf[K] {
  if (!isRecord(input))
    throw rejected(`it is ${typeNameOf(input)}, not an object with the fields of ${aKind(kind)}`);
  // A store that writes JSON would keep the field, and the log would not: they would differ.
  const fields: readonly PropertyKey[] = FIELDS[kind];
  const unknown = Object.keys(input).find((name) => !fields.includes(name));
  if (unknown !== undefined) {
    throw rejected(`${unknown.slice(0, 100)}: ${aKind(kind)} has no such field`);
  }
  return COMPLETE[kind](input);
}

/** "From now on this is its state." Throws `change-rejected` for what is no such entity at first sight. */
export function upsertOf<K extends Kind>(kind: K, input: InputOf[K], eventId?: string): EntityWrite {
  const entity = entityFrom(kind, input);
  return write(kind, keyFrom(kind, entity), entity, eventId);
}

/** "There is none any more." Throws `change-rejected` for what names no entity. */
export function deleteOf<K extends Kind>(kind: K, identity: IdentityOf[K], eventId?: string): EntityWrite {
  return write(kind, keyFrom(kind, identity), null, eventId);
}

function keyFrom<K extends Kind>(kind: K, identity: IdentityOf[K]): string {
  const fault = identityFault(kind, identity);
  if (fault !== undefined) throw rejected(fault);
  return keyOf(kind, identity);
}

function aKind(kind: Kind): string {
  return `${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind}`;
}

function rejected(reason: string): ChangeoverError {
  return new ChangeoverError('change-rejected', reason);
}

/** What a value is, without its content, which may be anything. */
export function typeNameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}

function write<K extends Kind>(
  kind: K,
  key: string,
  entity: EntityOf[K] | null,
  eventId: string | undefined,
): EntityWrite {
  return { kind, key, entity, ...(eventId === undefined ? {} : { eventId }) } as EntityWrite;
}
