import { z } from 'zod';
import type { InputOf } from '../producers/shim/entities.ts';
import { MAX_KEY_PART_BYTES } from '../schemas/entity-fault.ts';
import type { IdentityOf } from '../schemas/keys.ts';
import type { Kind } from '../schemas/kinds.ts';

/**
 * The shapes of entities in JSON. They say which fields there are and of which type; what a value must be so that every
 * store can hold it is asked afterwards, of whoever writes (schemas/entity-fault.ts).
 */

const id = (what: string) =>
  z.string().min(1).describe(`${what}; at most ${MAX_KEY_PART_BYTES} bytes of UTF-8`);
const integer = () => z.int();
const millis = (what: string) => integer().describe(`${what}, in milliseconds since 1970`);

const scalars = (what: string) =>
  z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
    .describe(`${what}. A field that is null is the same as one that is not there.`);

const vector = z
  .union([z.string(), z.array(z.number()).min(1)])
  .describe(
    'numbers, each of which becomes the nearest float32, or the base64 of float32 numbers in little-endian order',
  );

const space = z
  .strictObject({
    model: z.string(),
    revision: z.string(),
    metric: z.enum(['cosine', 'l2', 'ip']),
    normalised: z.boolean(),
  })
  .describe('what makes two vectors comparable; one collection holds one space');

export const ENTITY_SCHEMAS = {
  agent: z
    .strictObject({
      id: id("the agent's id"),
      type: z.string(),
      active: z.boolean(),
      attributes: scalars('name, age, occupation, …').optional(),
    })
    .describe('a member of the society'),
  relationship: z
    .strictObject({
      source: id('id of the agent that it starts from'),
      target: id('id of the agent that it leads to'),
      type: z.string().min(1).describe('letters, digits and underscores, at most 100'),
      strength: z.number().min(0).max(100),
      since: millis('since when').nullable().optional(),
      properties: scalars('whatever else belongs to it').optional(),
    })
    .describe('a directed tie between two agents, unique for its source, type and target'),
  embedding: z
    .strictObject({
      id: id("the embedding's id"),
      agentId: id('id of the agent that remembers it'),
      vector,
      dimension: integer().min(1).optional().describe('number of components; counted where it is not given'),
      space,
      metadata: scalars('text and whatever else belongs to it').optional(),
    })
    .describe('a vector that stands for something that an agent remembers'),
  experience: z
    .strictObject({
      id: id("the experience's id"),
      agentId: id('id of the agent'),
      episode: integer(),
      step: integer(),
      state: z.string(),
      action: integer(),
      reward: z.number(),
      nextState: z.string(),
      done: z.boolean(),
      at: millis('when'),
    })
    .describe('a step that an agent took'),
  'q-value': z
    .strictObject({
      agentId: id('id of the agent'),
      state: id('the state'),
      action: integer(),
      value: z.number().describe('a 64-bit float; all of its bits are kept'),
      visits: integer(),
    })
    .describe('what an agent expects of an action in a state'),
  policy: z
    .strictObject({
      agentId: id('id of the agent'),
      name: z.string().optional().describe("empty for an agent's only policy"),
      algorithm: z.string(),
      environment: z.string().nullable().optional(),
      parameters: scalars('alpha, gamma, …').optional(),
      actions: z.record(z.string(), integer()).optional().describe('state to action'),
      revision: integer(),
    })
    .describe('how an agent acts'),
} as const satisfies Readonly<Record<Kind, z.ZodObject>>;

type JsonOf = { readonly [K in Kind]: z.infer<(typeof ENTITY_SCHEMAS)[K]> };

/** The names of an entity's parts, for a delete. */
export const IDENTITY_SCHEMAS = {
  agent: ENTITY_SCHEMAS.agent.pick({ id: true }),
  relationship: ENTITY_SCHEMAS.relationship.pick({ source: true, type: true, target: true }),
  embedding: ENTITY_SCHEMAS.embedding.pick({ id: true }),
  experience: ENTITY_SCHEMAS.experience.pick({ id: true }),
  'q-value': ENTITY_SCHEMAS['q-value'].pick({ agentId: true, state: true, action: true }),
  policy: ENTITY_SCHEMAS.policy.pick({ agentId: true, name: true }),
} as const satisfies Readonly<Record<Kind, z.ZodObject>>;

type IdentityJsonOf = { readonly [K in Kind]: z.infer<(typeof IDENTITY_SCHEMAS)[K]> };

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Null fields are left out; of no other value is anything changed. */
function withoutNulls(fields: Readonly<Record<string, string | number | boolean | null>> = {}) {
  const kept = Object.entries(fields).flatMap(([name, value]) =>
    value === null ? [] : [[name, value] as const],
  );
  return Object.fromEntries(kept);
}

const INPUTS: { readonly [K in Kind]: (json: JsonOf[K]) => InputOf[K] } = {
  agent: (json) => ({ ...json, attributes: withoutNulls(json.attributes) }),
  relationship: ({ since = null, properties, ...json }) => ({
    ...json,
    since,
    properties: withoutNulls(properties),
  }),
  embedding: ({ dimension, metadata, ...json }) => ({
    ...json,
    vector: typeof json.vector === 'string' ? base64Bytes(json.vector) : json.vector,
    ...(dimension === undefined ? {} : { dimension }),
    metadata: withoutNulls(metadata),
  }),
  experience: (json) => json,
  'q-value': (json) => json,
  policy: ({ name = '', environment = null, parameters, actions = {}, ...json }) => ({
    ...json,
    name,
    environment,
    parameters: withoutNulls(parameters),
    actions,
  }),
};

export function inputFrom<K extends Kind>(kind: K, json: JsonOf[K]): InputOf[K] {
  return INPUTS[kind](json);
}

export function identityFrom<K extends Kind>(kind: K, json: IdentityJsonOf[K]): IdentityOf[K] {
  return (kind === 'policy' ? { name: '', ...json } : json) as unknown as IdentityOf[K];
}

/** Node's decoder skips what is no base64; a vector with a hole in it would be another vector. */
function base64Bytes(text: string): Uint8Array {
  if (text.length % 4 !== 0 || !BASE64.test(text)) throw new Error('vector is a text, but not base64');
  return Buffer.from(text, 'base64');
}
