import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { ChangeoverError } from '../../core/errors.ts';
import { KINDS } from '../../schemas/kinds.ts';
import { sampleEntity, sampleKey } from '../support/entities.ts';
import { agentChange, agentEntity, type Reply, startServer } from './support.ts';

interface Validator {
  (value: unknown): boolean;
  errors?: readonly unknown[] | null;
}
interface Ajv {
  addSchema(schema: object, id: string): void;
  compile(schema: object): Validator;
}
// As fastify itself has it.
const { Ajv2020 } = createRequire(import.meta.url)('ajv/dist/2020.js') as {
  Ajv2020: new (options: object) => Ajv;
};

interface Media {
  readonly content: Readonly<Record<string, { readonly schema: object }>>;
}
interface Document {
  readonly openapi: string;
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { requestBody: Media; responses: Record<string, Media> }>>>
  >;
}

const committed = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as Document;
const ajv = new Ajv2020({ strict: false });
ajv.addSchema(committed, 'document');

/** A schema of the document as a validator; its references are into the document. */
function validator(schema: object): Validator {
  const text = JSON.stringify(schema).replaceAll('"#/', '"document#/');
  return ajv.compile(JSON.parse(text) as object);
}

const changes = committed.paths['/v1/changes']?.post;
assert.ok(changes !== undefined);

function assertDocumented(reply: Reply): void {
  const mediaType = (reply.headers.get('content-type') ?? '').split(';')[0] ?? '';
  const schema = changes?.responses[reply.status]?.content[mediaType]?.schema;
  assert.ok(schema !== undefined, `${reply.status} with ${mediaType} is not in the document`);
  const validate = validator(schema);
  assert.ok(validate(reply.json), `${reply.status}: ${JSON.stringify(validate.errors)} ${reply.text}`);
}

function accepts(mediaType: string, body: unknown): boolean {
  return validator(changes?.requestBody.content[mediaType]?.schema ?? {})(body);
}

describe('the OpenAPI document', () => {
  it('that is committed is the one that is served', async (t) => {
    const server = await startServer(t);
    assert.deepEqual(JSON.parse((await server.get('/openapi.json')).text), committed);
    assert.match(committed.openapi, /^3\.1\./);
  });

  it('takes every change and event that the server takes, of every kind', async (t) => {
    const server = await startServer(t);
    for (const kind of KINDS) {
      const sample = sampleEntity(kind, { name: 'x' });
      const entity =
        'vector' in sample ? { ...sample, vector: Buffer.from(sample.vector).toString('base64') } : sample;
      const upsert = { id: 'e', kind, op: 'upsert', entity };
      const removal = { kind, op: 'delete', key: sampleKey(kind, 'x') };
      for (const body of [upsert, [upsert, removal], { changes: [removal] }]) {
        assert.ok(accepts('application/json', body), `${kind} ${JSON.stringify(body)}`);
        assert.equal((await server.post(body)).status, 202);
      }
      const event = {
        specversion: '1.0',
        id: '1',
        source: 'urn:s',
        type: `changeover.${kind}.upsert`,
        data: entity,
      };
      assert.ok(accepts('application/cloudevents+json', event), kind);
      assert.ok(accepts('application/cloudevents-batch+json', [event]), kind);
      const headers = { 'content-type': 'application/cloudevents+json' };
      assert.equal((await server.post(event, headers)).status, 202);
    }
  });

  it('refuses what the server refuses', async (t) => {
    const server = await startServer(t);
    for (const body of [
      { kind: 'agent', op: 'upsert' },
      { kind: 'planet', op: 'upsert', entity: {} },
      agentChange('a', { entity: { ...agentEntity('a'), colour: 'red' } }),
      agentChange('a', { id: 'with a space' }),
      agentChange('a', { entity: { ...agentEntity('a'), attributes: { x: [] } } }),
      { kind: 'agent', op: 'delete', key: { name: 'a' } },
      { changes: 7 },
    ]) {
      assert.ok(!accepts('application/json', body), JSON.stringify(body));
      const { status } = await server.post(body);
      assert.ok(status === 422 || status === 400, `${status} ${JSON.stringify(body)}`);
    }
  });

  it('describes every answer of the server', async (t) => {
    const server = await startServer(t, { options: { maxBatchItems: 2, maxBodyBytes: 2_000 } });
    const secured = await startServer(t, { context: { token: 'a-token-of-the-tests' } });
    const limited = await startServer(t, { options: { ratePerSecond: 1 } });
    const away = await startServer(t, { writer: () => failing('unreachable') });
    const defect = await startServer(t, { writer: () => failing('internal') });
    const full = await startServer(t, {
      options: { maxRequests: 1, requestTimeoutMs: 500 },
      writer: () => never,
    });
    const held = full.post(agentChange('a'));
    await limited.post([agentChange('a')]);
    const bad = { kind: 'agent', op: 'upsert', entity: {} };
    const replies: Readonly<Record<number, readonly Reply[]>> = {
      202: [
        await server.post(agentChange('a', { id: '1' })),
        await server.post(agentChange('a', { id: '1' })),
      ],
      207: [await server.post([agentChange('a'), bad])],
      422: [await server.post(bad)],
      400: [await server.post('{')],
      401: [await secured.post(agentChange('a'))],
      403: [await server.post(agentChange('a'), { origin: 'https://evil.example' })],
      413: [await server.post([bad, bad, bad]), await server.post('x'.repeat(3_000))],
      415: [await server.post('x', { 'content-type': 'text/plain' })],
      429: [await limited.post(agentChange('a'))],
      500: [await defect.post(agentChange('a'))],
      503: [await away.post(agentChange('a')), await full.post(agentChange('b')), await held],
    };
    for (const [status, given] of Object.entries(replies)) {
      for (const reply of given) {
        assert.equal(reply.status, Number(status), reply.text);
        assertDocumented(reply);
      }
    }
  });
});

const never = { write: () => new Promise<never>(() => {}) };
const failing = (code: 'unreachable' | 'internal') => ({
  write: async () => {
    throw new ChangeoverError(code, 'not now');
  },
});
