import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { agentEntity, startServer, type TestServer } from './support.ts';

const event = (id: string, more: Record<string, unknown> = {}) => ({
  specversion: '1.0',
  id,
  source: 'urn:society:writer',
  type: 'changeover.agent.upsert',
  time: '2026-01-01T00:00:00Z',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  data: agentEntity('a'),
  ...more,
});
const STRUCTURED = { 'content-type': 'application/cloudevents+json; charset=UTF-8' };
const BATCHED = { 'content-type': 'application/cloudevents-batch+json' };
const binary = (more: Record<string, string> = {}) => ({
  'ce-specversion': '1.0',
  'ce-id': 'b1',
  'ce-source': 'urn:society:writer',
  'ce-type': 'changeover.agent.upsert',
  ...more,
});

function events(server: TestServer): readonly (readonly [id: string, key: string, deleted: boolean])[] {
  return server.outbox.items.flatMap((item) =>
    'entry' in item
      ? [[item.entry.change.eventId, item.entry.change.key, item.entry.change.after === null] as const]
      : [],
  );
}

describe('CloudEvents', () => {
  it('are taken one by one, structured: source and id are the event id', async (t) => {
    const server = await startServer(t);
    const { status, json } = await server.post(event('1'), STRUCTURED);
    assert.equal(status, 202);
    assert.equal(json.results[0]?.id, '1');
    assert.deepEqual(events(server), [['urn:society:writer 1', 'a', false]]);
  });

  it('are taken in batches, an empty one too, each with its own result', async (t) => {
    const server = await startServer(t);
    assert.equal((await server.post([], BATCHED)).status, 202);
    const batch = [
      event('1'),
      event('2', { type: 'changeover.agent.delete', data: { id: 'a' } }),
      event('3', { type: 'changeover.agent.delete', data: undefined, subject: 'b' }),
      event('4', { specversion: '0.3' }),
      event('5', { type: 'com.example.created' }),
      event('6', { source: 'with a space' }),
      event('7', { data: undefined, data_base64: 'e30=' }),
      event('8', { datacontenttype: 'application/xml' }),
      event('9', { data: undefined }),
    ];
    const { status, json } = await server.post(batch, BATCHED);
    assert.equal(status, 207);
    assert.deepEqual(
      json.results.map((result) => [result.id, result.status]),
      batch.map(({ id }, index) => [id, index < 3 ? 'accepted' : 'rejected']),
    );
    const reasons = json.results.slice(3).map(({ reason = '' }) => /^[a-z0-9_]+/.exec(reason)?.[0]);
    assert.deepEqual(reasons, ['specversion', 'type', 'source', 'data_base64', 'datacontenttype', 'data']);
    assert.deepEqual(
      events(server).map(([, key, deleted]) => [key, deleted]),
      [
        ['a', false],
        ['a', true],
        ['b', true],
      ],
    );
  });

  it('are taken in binary mode, attributes percent-encoded in headers', async (t) => {
    const server = await startServer(t);
    const upsert = await server.post(agentEntity('ü'), binary({ 'ce-id': 'gr%C3%BCn' }));
    assert.equal(upsert.status, 202);
    assert.equal(upsert.json.results[0]?.id, 'grün');
    const removal = await fetch(`${server.address}/v1/changes`, {
      method: 'POST',
      headers: binary({ 'ce-type': 'changeover.agent.delete', 'ce-subject': '%C3%BC', 'ce-id': 'b2' }),
    });
    assert.equal(removal.status, 202, await removal.text());
    assert.deepEqual(events(server), [
      ['urn:society:writer grün', 'ü', false],
      ['urn:society:writer b2', 'ü', true],
    ]);
  });

  it('with one source and id are done once, whatever the mode', async (t) => {
    const server = await startServer(t);
    await server.post(event('b1'), STRUCTURED);
    const again = await server.post(agentEntity('a'), binary());
    const batched = await server.post([event('b1'), event('b1', { source: 'urn:other' })], BATCHED);
    assert.equal(again.json.results[0]?.status, 'repeated');
    assert.deepEqual(
      batched.json.results.map(({ status }) => status),
      ['repeated', 'accepted'],
    );
  });

  it('that have not the shape of their media type are refused with 400', async (t) => {
    const server = await startServer(t);
    assert.equal((await server.post([event('1')], STRUCTURED)).status, 400);
    assert.equal((await server.post(event('1'), BATCHED)).status, 400);
    assert.equal((await server.post('7', STRUCTURED)).status, 400);
  });
});
