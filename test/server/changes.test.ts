import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EntityWrite, WriteResult } from '../../connectors/capture.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { toJson } from '../../core/json.ts';
import { type Logger, silentLogger } from '../../core/logger.ts';
import type { Change, EntityOf } from '../../schemas/change.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import { sampleEntity, sampleKey } from '../support/entities.ts';
import { MemoryOutbox } from '../support/memory-outbox.ts';
import { agentChange, agentEntity, startServer } from './support.ts';

function changesOf(outbox: MemoryOutbox): readonly Change[] {
  return outbox.items.flatMap((item) => ('entry' in item ? [item.entry.change] : []));
}

/** An entity as JSON has it: a vector is base64. */
function jsonEntity(kind: Kind, name: string): Record<string, unknown> {
  const entity = sampleEntity(kind, { name });
  if (!('vector' in entity)) return { ...entity };
  return { ...entity, vector: Buffer.from(entity.vector).toString('base64') };
}

describe('POST /v1/changes', () => {
  it('answers 202 with the version of each change when all are in the outbox', async (t) => {
    const server = await startServer(t);
    const { status, json } = await server.post([agentChange('a', { id: 'e1' }), agentChange('b')]);
    assert.equal(status, 202);
    const changes = changesOf(server.outbox);
    assert.deepEqual(json, {
      accepted: 2,
      repeated: 0,
      rejected: 0,
      failed: 0,
      results: [
        { index: 0, id: 'e1', status: 'accepted', version: changes[0]?.version },
        { index: 1, status: 'accepted', version: changes[1]?.version },
      ],
    });
    assert.equal(changes[0]?.eventId, 'e1');
  });

  it('takes one change, an array and an object with changes', async (t) => {
    const server = await startServer(t);
    for (const body of [agentChange('one'), [agentChange('two')], { changes: [agentChange('three')] }, []]) {
      assert.equal((await server.post(body)).status, 202);
    }
    assert.deepEqual(
      changesOf(server.outbox).map(({ key }) => key),
      ['one', 'two', 'three'],
    );
  });

  it('takes and deletes an entity of every kind, exactly, by its parts or by its key', async (t) => {
    const server = await startServer(t);
    for (const kind of KINDS) {
      const key = sampleKey(kind, 'x');
      const upsert = { kind, op: 'upsert', entity: jsonEntity(kind, 'x') };
      const identity = identityOf(sampleEntity(kind, { name: 'x' }));
      for (const change of [upsert, { kind, op: 'delete', key: identity }, { kind, op: 'delete', key }]) {
        const { status, text } = await server.post(change);
        assert.equal(status, 202, `${JSON.stringify(change)}: ${text}`);
      }
      const [made, first, second] = changesOf(server.outbox).filter((change) => change.kind === kind);
      assert.deepEqual(plain(made?.after), plain(sampleEntity(kind, { name: 'x' })));
      assert.deepEqual(
        [made?.key, first?.key, second?.key, first?.after, second?.after],
        [key, key, key, null, null],
      );
    }
  });

  it('takes a vector as numbers, each the nearest float32, and counts its dimension', async (t) => {
    const server = await startServer(t);
    const { dimension, ...entity } = jsonEntity('embedding', 'v');
    const change = { kind: 'embedding', op: 'upsert', entity: { ...entity, vector: [0.1, -0, 1e-46, 3] } };
    // JSON.stringify writes −0 as 0.
    assert.equal((await server.post(toJson(change))).status, 202);
    const [{ after } = {}] = changesOf(server.outbox) as readonly { after?: EntityOf['embedding'] }[];
    assert.equal(after?.dimension, 4);
    const expected = Buffer.from(Float32Array.from([0.1, -0, 1e-46, 3]).buffer);
    assert.deepEqual(Buffer.from(after?.vector ?? []), expected);
  });

  it('takes a null attribute as one that is not there', async (t) => {
    const server = await startServer(t);
    const entity = agentEntity('a', { age: null, name: 'A' });
    assert.equal((await server.post(agentChange('a', { entity }))).status, 202);
    const [{ after } = {}] = changesOf(server.outbox) as readonly { after?: EntityOf['agent'] }[];
    assert.deepEqual(after?.attributes, { name: 'A' });
  });

  it('does a change with one id once, and says which version it got then', async (t) => {
    const server = await startServer(t);
    const first = await server.post([agentChange('a', { id: 'e' })]);
    const again = await server.post([agentChange('a', { id: 'e' }), agentChange('b', { id: 'f' })]);
    assert.equal(again.status, 202);
    assert.deepEqual(
      again.json.results.map(({ status }) => status),
      ['repeated', 'accepted'],
    );
    assert.equal(again.json.results[0]?.version, first.json.results[0]?.version);
    assert.equal(changesOf(server.outbox).length, 2);
  });

  it('answers 207 when some are rejected, naming item and field, and makes the others', async (t) => {
    const server = await startServer(t);
    const { status, json } = await server.post({
      changes: [
        agentChange('good'),
        agentChange('bad', { id: 'x', entity: { ...agentEntity('bad'), active: 'yes', colour: 1 } }),
        agentChange('long', { entity: agentEntity('l'.repeat(2_000)) }),
        { kind: 'planet', op: 'upsert', entity: {} },
        { kind: 'agent', op: 'delete' },
        { kind: 'agent', op: 'upsert', entity: agentEntity('a'), key: 'a' },
        { kind: 'q-value', op: 'delete', key: 'no key' },
        'not even an object',
        agentChange('spaces in its id', { id: 'a b' }),
      ],
    });
    assert.equal(status, 207);
    assert.deepEqual([json.accepted, json.rejected], [1, 8]);
    const reasons = json.results.map(({ reason = '' }) => reason);
    assert.deepEqual(json.results[1]?.id, 'x');
    assert.match(reasons[1] ?? '', /entity\.active: .*boolean.*; entity\.colour: there is no such field/);
    assert.match(reasons[2] ?? '', /id is longer than 1024 bytes/);
    assert.match(reasons[3] ?? '', /^kind: /);
    assert.match(reasons[4] ?? '', /^key: /);
    assert.match(reasons[5] ?? '', /^key: a change with op upsert has no key, but entity/);
    assert.match(reasons[6] ?? '', /^key: Not the key of a q-value/);
    assert.match(reasons[7] ?? '', /the change: .*object/);
    assert.match(reasons[8] ?? '', /^id: must be 1 to 256 characters/);
    assert.equal(changesOf(server.outbox).length, 1);
  });

  it('answers 422 when every change is rejected', async (t) => {
    const server = await startServer(t);
    const { status, json } = await server.post({ kind: 'agent', op: 'upsert', entity: {} });
    assert.equal(status, 422);
    assert.equal(json.rejected, 1);
  });

  it('rejects a vector that is none, with its place', async (t) => {
    const server = await startServer(t);
    const entity = jsonEntity('embedding', 'v');
    const nan = Buffer.from(Float32Array.from([1, Number.NaN]).buffer).toString('base64');
    const cases: readonly (readonly [vector: unknown, words: RegExp])[] = [
      [[1, 1e39], /vector has 1e\+39 at place 1, which is not a finite float32/],
      [nan, /vector has a component that is not finite at place 1/],
      ['AAA', /vector is a text, but not base64/],
      ['AAAAAAA=', /vector has 5 bytes, not 4 for each component/],
      ['AA$AAAA=', /not base64/],
      [[], /vector/],
      [{ 0: 1 }, /entity\.vector: /],
      [[1, 'x'], /entity\.vector/],
    ];
    for (const [vector, words] of cases) {
      const { dimension, ...rest } = entity;
      const { status, json } = await server.post({
        kind: 'embedding',
        op: 'upsert',
        entity: { ...rest, vector },
      });
      assert.equal(status, 422, JSON.stringify(vector));
      assert.match(json.results[0]?.reason ?? '', words);
    }
    const wrong = { kind: 'embedding', op: 'upsert', entity: { ...entity, dimension: 9 } };
    assert.match(
      (await server.post(wrong)).json.results[0]?.reason ?? '',
      /dimension is 9, but vector has 8/,
    );
    assert.equal(server.outbox.items.length, 0);
  });

  it('rejects a kind that no configured store is the origin of', async (t) => {
    const server = await startServer(t, { context: { writers: new Map() } });
    const { status, json } = await server.post(agentChange('a'));
    assert.equal(status, 422);
    assert.match(json.results[0]?.reason ?? '', /no configured store is the origin/);
  });
});

describe('a store that does not take a change', () => {
  const failing = (error: unknown, from = 0) => ({
    writer: (capture: { write(writes: readonly EntityWrite[]): Promise<readonly WriteResult[]> }) => ({
      write: async (writes: readonly EntityWrite[]): Promise<readonly WriteResult[]> => {
        if (writes.length > from) throw error;
        return capture.write(writes);
      },
    }),
  });

  it('answers 503 with Retry-After when the outbox is full', async (t) => {
    const server = await startServer(t, { outbox: new MemoryOutbox({ maxEntries: 1 }) });
    assert.equal((await server.post(agentChange('a'))).status, 202);
    const { status, headers, json } = await server.post([agentChange('b')]);
    assert.equal(status, 503);
    assert.equal(headers.get('retry-after'), '5');
    assert.deepEqual(json.results[0]?.code, 'outbox-full');
    assert.equal(server.outbox.items.length, 1);
  });

  it('answers 503 with Retry-After when the store is away', async (t) => {
    const server = await startServer(t, failing(new ChangeoverError('unreachable', 'Redis does not answer')));
    const { status, headers, json } = await server.post(agentChange('a', { id: 'x' }));
    assert.equal(status, 503);
    assert.ok(Number(headers.get('retry-after')) >= 1);
    assert.deepEqual(json.results, [
      { index: 0, id: 'x', status: 'failed', code: 'unreachable', reason: 'Redis does not answer' },
    ]);
  });

  it('answers 207 with Retry-After when only one of two stores is away', async (t) => {
    const away = {
      write: async () => {
        throw new ChangeoverError('unreachable', 'away');
      },
    };
    const here = {
      write: async (writes: readonly EntityWrite[]): Promise<readonly WriteResult[]> =>
        writes.map(() => ({ status: 'written', version: 1 })),
    };
    const writers = new Map<Kind, typeof here>([
      ['agent', here],
      ['policy', away],
    ]);
    const server = await startServer(t, { context: { writers } });
    const policy = { kind: 'policy', op: 'upsert', entity: jsonEntity('policy', 'p') };
    const { status, headers, json } = await server.post([agentChange('a'), policy, agentChange('b')]);
    assert.equal(status, 207);
    assert.ok(headers.has('retry-after'));
    assert.deepEqual(
      json.results.map((result) => result.status),
      ['accepted', 'failed', 'accepted'],
    );
  });

  it('answers 500 without its inside when it has a defect', async (t) => {
    const logged: unknown[] = [];
    const logger: Logger = { ...silentLogger, error: (...line) => logged.push(line) };
    const inside = failing(new TypeError('secret of the inside'));
    const server = await startServer(t, { ...inside, context: { logger } });
    const { status, text } = await server.post([agentChange('a'), agentChange('b')]);
    assert.equal(status, 500);
    assert.doesNotMatch(text, /secret of the inside/);
    assert.equal(logged.length, 1, 'one line for the request, not one for each change');
    assert.match(JSON.stringify(logged), /"changes":2.*secret of the inside/);
  });

  it('answers 503 when it is not done in time, and never 202 for what is not known', async (t) => {
    const never = { write: () => new Promise<never>(() => {}) };
    const server = await startServer(t, { options: { requestTimeoutMs: 100 }, writer: () => never });
    const { status, json } = await server.post([agentChange('a'), { kind: 'agent', op: 'upsert' }]);
    assert.equal(status, 503);
    assert.deepEqual(
      json.results.map((result) => result.code ?? result.status),
      ['timeout', 'rejected'],
    );
  });
});

function identityOf(entity: object): Record<string, unknown> {
  const parts = Object.entries(entity as Record<string, unknown>);
  const has = (names: readonly string[]): boolean => names.every((name) => name in entity);
  const names = has(['id'])
    ? ['id']
    : has(['source', 'target'])
      ? ['source', 'type', 'target']
      : has(['value'])
        ? ['agentId', 'state', 'action']
        : ['agentId', 'name'];
  return Object.fromEntries(parts.filter(([name]) => names.includes(name)));
}

function plain(entity: unknown): unknown {
  if (typeof entity !== 'object' || entity === null || !('vector' in entity)) return entity;
  return { ...entity, vector: Buffer.from(entity.vector as Uint8Array).toString('hex') };
}
