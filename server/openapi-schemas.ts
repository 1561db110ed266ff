import { z } from 'zod';
import { KINDS, type Kind } from '../schemas/kinds.ts';
import { ENTITY_SCHEMAS, IDENTITY_SCHEMAS } from './entity-schemas.ts';
import { eventIdSchema } from './items.ts';

/** The shapes that the document names: JSON Schema 2020-12, as OpenAPI 3.1 has it. */
export type JsonSchema = { readonly [keyword: string]: unknown };

export const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

/** `q-value` → `QValue`. */
export function schemaName(kind: Kind): string {
  return kind.replace(/(^|-)(\w)/g, (_all, _dash, letter: string) => letter.toUpperCase());
}

function jsonSchema(schema: z.ZodType): JsonSchema {
  const { $schema, ...rest } = z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' });
  return rest;
}

const keyOfKind = (kind: Kind): JsonSchema => ({
  anyOf: [
    { type: 'string', description: 'the key as it stands in the topic' },
    jsonSchema(IDENTITY_SCHEMAS[kind]),
  ],
});

const change = (kind: Kind): readonly JsonSchema[] => {
  const id = jsonSchema(eventIdSchema);
  const shape = (op: string, content: string, schema: JsonSchema): JsonSchema => ({
    type: 'object',
    additionalProperties: false,
    required: ['kind', 'op', content],
    properties: { id, kind: { const: kind }, op: { const: op }, [content]: schema },
  });
  return [shape('upsert', 'entity', ref(schemaName(kind))), shape('delete', 'key', keyOfKind(kind))];
};

const event = (kind: Kind): readonly JsonSchema[] => {
  const shape = (op: string, rest: JsonSchema): JsonSchema => ({
    type: 'object',
    required: ['specversion', 'id', 'source', 'type'],
    properties: {
      specversion: { const: '1.0' },
      id: { type: 'string', minLength: 1, maxLength: 256 },
      source: { type: 'string', minLength: 1, maxLength: 512 },
      type: { const: `changeover.${kind}.${op}` },
      subject: { type: 'string' },
      datacontenttype: { type: 'string' },
      ...rest,
    },
  });
  const named = shape('delete', { data: jsonSchema(IDENTITY_SCHEMAS[kind]) });
  return [
    { ...shape('upsert', { data: ref(schemaName(kind)) }), required: [...REQUIRED_OF_EVENT, 'data'] },
    { ...named, anyOf: [{ required: ['data'] }, { required: ['subject'] }] },
  ];
};

const REQUIRED_OF_EVENT = ['specversion', 'id', 'source', 'type'];

const ITEM_RESULT: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['index', 'status'],
  properties: {
    index: { type: 'integer', minimum: 0, description: 'place of the change in the request' },
    id: { type: 'string', description: 'as the request gave it' },
    status: {
      enum: ['accepted', 'repeated', 'rejected', 'failed'],
      description:
        'accepted: it is durable. repeated: it was already, from an earlier request with its id. rejected: trying again will not help. failed: it may have been written or not; send it again, with the same id.',
    },
    version: { type: 'integer', description: 'the version that the change has' },
    reason: { type: 'string' },
    code: { type: 'string', description: 'of what failed: outbox-full, unreachable, timeout, …' },
  },
};

const count: JsonSchema = { type: 'integer', minimum: 0 };

const RESULTS: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['accepted', 'repeated', 'rejected', 'failed', 'results'],
  properties: {
    accepted: count,
    repeated: count,
    rejected: count,
    failed: count,
    results: { type: 'array', items: ref('ItemResult'), description: 'one for each change, in their order' },
  },
};

const PROBLEM: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['status', 'title', 'detail'],
  properties: { status: { type: 'integer' }, title: { type: 'string' }, detail: { type: 'string' } },
};

const READINESS: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['ready', 'checks'],
  properties: {
    ready: { type: 'boolean' },
    checks: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'ok', 'detail'],
        properties: { name: { type: 'string' }, ok: { type: 'boolean' }, detail: { type: 'string' } },
      },
    },
  },
};

export const COMPONENT_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  ...Object.fromEntries(KINDS.map((kind) => [schemaName(kind), jsonSchema(ENTITY_SCHEMAS[kind])])),
  Change: { anyOf: KINDS.flatMap(change) },
  Changes: {
    anyOf: [
      ref('Change'),
      { type: 'array', items: ref('Change') },
      {
        type: 'object',
        additionalProperties: false,
        required: ['changes'],
        properties: { changes: { type: 'array', items: ref('Change') } },
      },
    ],
  },
  Event: { anyOf: KINDS.flatMap(event) },
  Events: { type: 'array', items: ref('Event') },
  ItemResult: ITEM_RESULT,
  Results: RESULTS,
  Problem: PROBLEM,
  Readiness: READINESS,
};
