import { isInt } from 'neo4j-driver';
import type { EntityOf, Metric, Space } from '../../schemas/change.ts';
import { entityFault } from '../../schemas/entity-fault.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Neo4jOptions } from './options.ts';
import { epochMsOf } from './since.ts';
import { type Properties, readScalar, readScalars, storedNumber, writeScalars } from './values.ts';

export type GraphKind = 'agent' | 'relationship' | 'embedding';

/** What a relationship is apart from its properties. */
export interface Ends {
  readonly source: string;
  readonly type: string;
  readonly target: string;
}

/**
 * The one property by which a relationship's tombstone is found: an index entry takes some 8,000 bytes, which the
 * record key (JSON, with its escapes) may exceed. The source's length makes it exact.
 */
export function tombstoneKey({ source, type, target }: Ends): string {
  return `${type} ${source.length} ${source}${target}`;
}

/** An entity as it was read, or why it cannot be moved. */
export type Reading<K extends Kind> =
  | { readonly entity: EntityOf[K]; readonly fault?: undefined }
  | { readonly entity?: undefined; readonly fault: string };

const AGENT_FIELDS: ReadonlySet<string> = new Set(['id', 'type', 'active']);
const RELATIONSHIP_FIELDS: ReadonlySet<string> = new Set(['strength', 'since', 'migrated']);
const EMBEDDING_FIELDS: ReadonlySet<string> = new Set([
  'id',
  'agentId',
  'model',
  'embedding',
  '_spaceRevision',
  '_spaceMetric',
  '_spaceNormalised',
]);

export function agentProperties(agent: EntityOf['agent'], version: number): Properties {
  const { id, type, active } = agent;
  const properties: Properties = { id, type, active, _version: storedNumber(version) };
  writeScalars(properties, agent.attributes, AGENT_FIELDS);
  return properties;
}

export function readAgent(properties: Properties, { defaults }: Neo4jOptions): Reading<'agent'> {
  const faults: string[] = [];
  const { id, type = defaults.type, active = defaults.active } = properties;
  const attributes = readScalars(properties, AGENT_FIELDS, faults);
  return checked('agent', { id, type, active, attributes } as EntityOf['agent'], faults);
}

/** What a relationship has beside the fields that every one has. */
export function relationshipExtras(tie: EntityOf['relationship']): Properties {
  const properties: Properties = {};
  writeScalars(properties, tie.properties, RELATIONSHIP_FIELDS);
  return properties;
}

export function readRelationship(
  { source, type, target }: Ends,
  { strength, since, migrated = true, ...rest }: Properties,
  { defaults }: Neo4jOptions,
): Reading<'relationship'> {
  const faults: string[] = [];
  // `migrated: true` is our mark. A legacy application's own property of that name with another value is kept.
  const own = migrated === true ? rest : { ...rest, _attr_migrated: migrated };
  const properties = readScalars(own, RELATIONSHIP_FIELDS, faults);
  const sinceMs = since === undefined ? null : epochMsOf(since);
  if (sinceMs === undefined) faults.push('property "since" is neither a time nor whole milliseconds');
  const entity = {
    source,
    type,
    target,
    strength: strength === undefined ? defaults.strength : readScalar(strength),
    since: sinceMs,
    properties,
  };
  return checked('relationship', entity as EntityOf['relationship'], faults);
}

export function embeddingProperties(embedding: EntityOf['embedding'], version: number): Properties {
  const { id, agentId, vector, space } = embedding;
  const properties: Properties = {
    id,
    agentId,
    model: space.model,
    embedding: componentsOf(vector),
    // Always written, so that a later change of the configuration does not relabel what is there.
    _spaceRevision: space.revision,
    _spaceMetric: space.metric,
    _spaceNormalised: space.normalised,
    _version: storedNumber(version),
  };
  writeScalars(properties, embedding.metadata, EMBEDDING_FIELDS);
  return properties;
}

export function readEmbedding(properties: Properties, { space }: Neo4jOptions): Reading<'embedding'> {
  const faults: string[] = [];
  const { id, agentId, embedding } = properties;
  const vector = vectorOf(embedding, faults);
  const entity = {
    id,
    agentId,
    vector,
    dimension: vector.byteLength / 4,
    space: readSpace(properties, space, faults),
    metadata: readScalars(properties, EMBEDDING_FIELDS, faults),
  };
  return checked('embedding', entity as EntityOf['embedding'], faults);
}

const METRICS: readonly unknown[] = ['cosine', 'l2', 'ip'] satisfies readonly Metric[];

function readSpace(properties: Properties, defaults: Neo4jOptions['space'], faults: string[]): Space {
  const {
    model = defaults.model,
    _spaceRevision: revision = defaults.revision,
    _spaceMetric: metric = defaults.metric,
    _spaceNormalised: normalised = defaults.normalised,
  } = properties;
  if (model === undefined) faults.push('it names no model, and neither does the configuration (space.model)');
  if (!METRICS.includes(metric)) faults.push('property "_spaceMetric" is no metric');
  if (typeof normalised !== 'boolean') faults.push('property "_spaceNormalised" is neither true nor false');
  return { model, revision, metric, normalised } as Space;
}

function componentsOf(vector: Uint8Array): readonly number[] {
  const view = new DataView(vector.buffer, vector.byteOffset, vector.byteLength);
  return Array.from({ length: vector.byteLength / 4 }, (_, index) => view.getFloat32(index * 4, true));
}

/** A graph keeps 64 bits of a component, a change 32: each is rounded to the nearest float32 (ties to even). */
function vectorOf(components: unknown, faults: string[]): Uint8Array {
  if (!Array.isArray(components)) {
    faults.push(components === undefined ? 'it has no embedding' : 'property "embedding" is no list');
    return new Uint8Array();
  }
  const vector = Buffer.allocUnsafe(components.length * 4);
  const view = new DataView(vector.buffer, vector.byteOffset);
  for (let index = 0; index < components.length; index++) {
    const component: unknown = components[index];
    const value = isInt(component) ? component.toNumber() : component;
    if (typeof value !== 'number') {
      faults.push(`property "embedding" has no number at place ${index}`);
      return new Uint8Array();
    }
    view.setFloat32(index * 4, value, true);
  }
  return vector;
}

function checked<K extends Kind>(kind: K, entity: EntityOf[K], faults: readonly string[]): Reading<K> {
  const fault = faults[0] ?? entityFault(kind, entity);
  return fault === undefined ? { entity } : { fault };
}
