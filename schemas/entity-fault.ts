import { isRecord, toJson } from '../core/json.ts';
import { textFault } from '../core/text.ts';
import type { Entity, EntityOf, Metric, Scalars } from './change.ts';
import type { IdentityOf } from './keys.ts';
import type { Kind } from './kinds.ts';

/**
 * What an entity must be so that every store can hold it unharmed. Sources and the ingest ask before anything enters
 * the log, so that no store has to refuse later what another has already taken.
 */

/** Bytes of UTF-8 in one part of a key: two of them fit in one entry of a Postgres B-tree (2,704 bytes). */
export const MAX_KEY_PART_BYTES = 1_024;
/** A UTF-16 unit makes at most so many bytes of UTF-8. */
const MOST_BYTES_PER_UNIT = 3;

/** A relationship's type becomes part of a query's text, so it is a plain name: letters, digits and underscores. */
const TYPE_NAME = /^[\p{L}_][\p{L}\p{N}_]{0,99}$/u;

const METRICS: readonly unknown[] = ['cosine', 'l2', 'ip'] satisfies readonly Metric[];

type Check = string | undefined;

function keyPart(name: string, value: unknown): Check {
  if (typeof value !== 'string') return `${name} is not a string`;
  if (value === '') return `${name} is empty`;
  if (
    value.length * MOST_BYTES_PER_UNIT > MAX_KEY_PART_BYTES &&
    Buffer.byteLength(value) > MAX_KEY_PART_BYTES
  )
    return `${name} is longer than ${MAX_KEY_PART_BYTES} bytes`;
  return text(name, value);
}

function text(name: string, value: unknown): Check {
  if (typeof value !== 'string') return `${name} is not a string`;
  const fault = textFault(value);
  return fault === undefined ? undefined : `${name} ${fault}`;
}

function integer(name: string, value: unknown): Check {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? undefined : `${name} is not a whole number`;
}

function double(name: string, value: unknown): Check {
  return Number.isFinite(value) ? undefined : `${name} is not a finite number`;
}

function boolean(name: string, value: unknown): Check {
  return typeof value === 'boolean' ? undefined : `${name} is neither true nor false`;
}

function scalars(name: string, values: Scalars): Check {
  if (!isRecord(values)) return `${name} is not a map of texts, numbers and booleans`;
  for (const field of Object.keys(values)) {
    // An object that is assigned this name loses it.
    if (field === '__proto__') return `${name} has a field named __proto__`;
    const fault = textFault(field);
    if (fault !== undefined) return `a field name of ${name} ${fault}`;
    const value = values[field];
    // Names are put together for what is at fault only: every attribute of every change comes through here.
    if (typeof value === 'string' ? textFault(value) !== undefined : !isPlain(value)) {
      return typeof value === 'string' ? text(`${name}.${field}`, value) : double(`${name}.${field}`, value);
    }
  }
  return undefined;
}

const isPlain = (value: unknown): boolean => typeof value === 'boolean' || Number.isFinite(value);

function vector(embedding: EntityOf['embedding']): Check {
  const { vector: bytes, dimension } = embedding;
  if (!(bytes instanceof Uint8Array)) return 'vector is not bytes';
  if (!Number.isSafeInteger(dimension)) return 'dimension is not a whole number';
  if (dimension < 1) return 'vector is empty';
  if (bytes.byteLength !== dimension * 4) {
    return `vector has ${bytes.byteLength} bytes, not 4 for each of its ${dimension} dimensions`;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let index = 0; index < dimension; index++) {
    const component = view.getFloat32(index * 4, true);
    if (!Number.isFinite(component)) return `vector has ${component} at place ${index}`;
  }
  return undefined;
}

function space(given: EntityOf['embedding']['space']): Check {
  if (!isRecord(given)) return 'space is not an object with model, revision, metric and normalised';
  return (
    text('space.model', given.model) ??
    text('space.revision', given.revision) ??
    (METRICS.includes(given.metric) ? undefined : `space.metric is none of ${METRICS.join(', ')}`) ??
    boolean('space.normalised', given.normalised)
  );
}

/** What Milvus takes in a JSON field. */
const MAX_METADATA_BYTES = 65_536;

function metadataSize(metadata: Scalars): Check {
  const bytes = Buffer.byteLength(toJson(metadata));
  return bytes <= MAX_METADATA_BYTES
    ? undefined
    : `metadata has ${bytes} bytes as JSON, more than ${MAX_METADATA_BYTES}`;
}

function strength(value: number): Check {
  return value >= 0 && value <= 100 ? undefined : `strength ${value} is not between 0 and 100`;
}

/** What names an entity, and is all there is of one that is deleted. */
const IDENTITY_CHECKS: { readonly [K in Kind]: (identity: IdentityOf[K]) => Check } = {
  agent: ({ id }) => keyPart('id', id),
  relationship: ({ source, type, target }) =>
    keyPart('source', source) ??
    keyPart('target', target) ??
    (typeof type !== 'string'
      ? 'type is not a string'
      : TYPE_NAME.test(type)
        ? undefined
        : `type ${JSON.stringify(type)} is not a name of letters, digits and underscores`),
  embedding: ({ id }) => keyPart('id', id),
  experience: ({ id }) => keyPart('id', id),
  'q-value': ({ agentId, state, action }) =>
    keyPart('agentId', agentId) ?? keyPart('state', state) ?? integer('action', action),
  policy: ({ agentId, name }) =>
    keyPart('agentId', agentId) ?? (name === '' ? undefined : keyPart('name', name)),
};

/** What it says beside its name. Each check looks at one thing; the first fault found is the one reported. */
const CONTENT_CHECKS: { readonly [K in Kind]: (entity: EntityOf[K]) => Check } = {
  agent: (agent) =>
    // Indexed in more than one store, as parts of keys are.
    (agent.type === '' ? undefined : keyPart('type', agent.type)) ??
    boolean('active', agent.active) ??
    scalars('attributes', agent.attributes),
  relationship: (tie) =>
    double('strength', tie.strength) ??
    strength(tie.strength) ??
    (tie.since === null ? undefined : integer('since', tie.since)) ??
    scalars('properties', tie.properties),
  embedding: (embedding) =>
    keyPart('agentId', embedding.agentId) ??
    space(embedding.space) ??
    vector(embedding) ??
    scalars('metadata', embedding.metadata) ??
    metadataSize(embedding.metadata),
  experience: (experience) =>
    keyPart('agentId', experience.agentId) ??
    integer('episode', experience.episode) ??
    integer('step', experience.step) ??
    text('state', experience.state) ??
    integer('action', experience.action) ??
    double('reward', experience.reward) ??
    text('nextState', experience.nextState) ??
    boolean('done', experience.done) ??
    integer('at', experience.at),
  'q-value': (q) => double('value', q.value) ?? integer('visits', q.visits),
  policy: (policy) =>
    text('algorithm', policy.algorithm) ??
    (policy.environment === null ? undefined : text('environment', policy.environment)) ??
    scalars('parameters', policy.parameters) ??
    scalars('actions', policy.actions) ??
    Object.values(policy.actions)
      .map((action) => integer('an action', action))
      .find((fault) => fault !== undefined) ??
    integer('revision', policy.revision),
};

/** Why nothing of this name can be moved, or undefined when it can. */
export function identityFault<K extends Kind>(kind: K, identity: IdentityOf[K]): string | undefined {
  if (!isRecord(identity)) return 'it is no object';
  return (IDENTITY_CHECKS[kind] as (identity: IdentityOf[Kind]) => Check)(identity);
}

/** Why this entity cannot be moved unharmed through every store, or undefined when it can. */
export function entityFault<K extends Kind>(kind: K, entity: EntityOf[K]): string | undefined {
  return identityFault(kind, entity) ?? (CONTENT_CHECKS[kind] as (entity: Entity) => Check)(entity);
}
