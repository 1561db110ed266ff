import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import type { EntityWrite, WriteResult } from '../../connectors/capture.ts';
import { agentChange, startServer, type TestServer, type TestServerOptions, until } from './support.ts';

const TOKEN = 'a-token-of-the-tests-0123456789';
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('the token', () => {
  const withToken: TestServerOptions = { context: { token: TOKEN } };

  it('lets through who carries it, and nobody else, to write or to read metrics', async (t) => {
    const server = await startServer(t, withToken);
    assert.equal((await server.post(agentChange('a'), bearer(TOKEN))).status, 202);
    assert.equal((await server.post(agentChange('a'), { authorization: `bearer  ${TOKEN}` })).status, 202);
    const wrong = [
      {},
      bearer('another-token-of-the-tests'),
      bearer(`${TOKEN}x`),
      bearer(''),
      { authorization: `Basic ${TOKEN}` },
    ];
    for (const headers of wrong) {
      const {
        status,
        headers: answered,
        text,
      } = await server.post(agentChange('b'), headers as Record<string, string>);
      assert.equal(status, 401);
      assert.match(answered.get('www-authenticate') ?? '', /^Bearer /);
      assert.doesNotMatch(text, new RegExp(TOKEN));
      assert.equal((await server.get('/metrics', headers as Record<string, string>)).status, 401);
    }
    assert.equal(server.outbox.items.length, 2);
    assert.equal((await server.get('/metrics', bearer(TOKEN))).status, 200);
  });

  it('is not needed to ask for health, readiness and the document', async (t) => {
    const server = await startServer(t, withToken);
    // Whether, but not why: that names servers.
    const ready = await server.get('/readyz');
    assert.deepEqual(ready.json as unknown, { ready: true, checks: [] });
    for (const path of ['/healthz', '/readyz', '/openapi.json'])
      assert.equal((await server.get(path)).status, 200);
  });

  it('must be there where others can reach the server', async (t) => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
      await assert.rejects(startServer(t, { options: { host } }), { code: 'config', message: /no token/ });
    }
    const server = await startServer(t, { ...withToken, options: { host: '0.0.0.0' } });
    assert.equal((await server.get('/healthz')).status, 200);
  });
});

describe('a server without a token', () => {
  it('does not serve a page in a browser, by whatever name it came', async (t) => {
    const server = await startServer(t);
    const port = new URL(server.address).port;
    assert.equal(await statusWith(server, { origin: 'https://evil.example' }), 403);
    assert.equal(await statusWith(server, { host: 'evil.example' }), 403);
    assert.equal(await statusWith(server, { host: `127.0.0.1.evil.example:${port}` }), 403);
    for (const host of [`localhost:${port}`, `[::1]:${port}`, '127.0.0.1']) {
      assert.equal(await statusWith(server, { host }), 202, host);
    }
  });
});

describe('limits', () => {
  it('refuse a body that is too large with 413, whether it says its length or not', async (t) => {
    const server = await startServer(t, { options: { maxBodyBytes: 10_000 } });
    const large = JSON.stringify([agentChange('x'.repeat(20_000))]);
    assert.equal((await server.post(large)).status, 413);
    const chunked = server.open({ 'transfer-encoding': 'chunked' });
    const answer = once(chunked, 'response') as Promise<[IncomingMessage]>;
    chunked.on('error', () => {});
    for (let at = 0; at < large.length; at += 1_000) chunked.write(large.slice(at, at + 1_000));
    chunked.end();
    assert.equal((await answer)[0].statusCode, 413);
    assert.equal(server.outbox.items.length, 0);
  });

  it('refuse 10 MB by default, and do not read them', async (t) => {
    const server = await startServer(t);
    const request = server.open({ 'content-length': String(10 * 1024 * 1024) });
    request.on('error', () => {});
    request.flushHeaders();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    assert.equal(response.statusCode, 413);
    request.destroy();
  });

  it('refuse too many changes in one request with 413', async (t) => {
    const server = await startServer(t, { options: { maxBatchItems: 2 } });
    const three = ['a', 'b', 'c'].map((id) => agentChange(id));
    assert.equal((await server.post(three)).status, 413);
    assert.equal((await server.post(three.slice(1))).status, 202);
  });

  it('answer 429 with Retry-After when more changes come than the rate, and let them in afterwards', async (t) => {
    const server = await startServer(t, { options: { ratePerSecond: 20 } });
    const ten = Array.from({ length: 10 }, (_, index) => agentChange(`a${index}`));
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await server.post(ten)).status);
    assert.deepEqual(statuses.slice(0, 2), [202, 202]);
    const { status, headers } = await server.post(ten);
    assert.equal(status, 429);
    assert.equal(headers.get('retry-after'), '1');
    const before = server.outbox.items.length;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    assert.equal((await server.post(ten)).status, 202);
    assert.equal(server.outbox.items.length, before + 10);
  });

  it('let a batch through that is larger than a second of the rate, and make the next one wait for it', async (t) => {
    const server = await startServer(t, { options: { ratePerSecond: 5 } });
    const ten = Array.from({ length: 10 }, (_, index) => agentChange(`a${index}`));
    assert.equal((await server.post(ten)).status, 202);
    const { status, headers } = await server.post(ten);
    assert.equal(status, 429);
    assert.equal(headers.get('retry-after'), '2');
  });
});

describe('back-pressure of a slow store', () => {
  it('answers 503 with Retry-After beyond the requests that may be under way, and takes them again later', async (t) => {
    const slow = slowWriter();
    const server = await startServer(t, { options: { maxRequests: 3 }, writer: () => slow });
    const held = ['a', 'b', 'c'].map((id) => server.post(agentChange(id)));
    await until('three writes are under way', () => slow.waiting === 3);
    const { status, headers } = await server.post(agentChange('d'));
    assert.deepEqual([status, headers.get('retry-after')], [503, '1']);
    assert.match((await server.get('/metrics')).text, /changeover_ingest_requests_in_flight 3/);
    slow.release();
    for (const reply of held) assert.equal((await reply).status, 202);
    assert.equal((await server.post(agentChange('d'))).status, 202);
  });

  it('keeps the bytes that are held below their bound', async (t) => {
    const slow = slowWriter();
    const options = { maxRequestBytes: 50_000, maxBodyBytes: 30_000, maxRequests: 1_000 };
    const server = await startServer(t, { options, writer: () => slow });
    const big = (id: string) =>
      agentChange(id, {
        entity: { id, type: 'x', active: true, attributes: { note: 'x'.repeat(20_000) } },
      });
    let answered = 0;
    const replies = Array.from({ length: 20 }, async (_, index) => {
      const { status } = await server.post(big(`b${index}`));
      answered++;
      return status;
    });
    await until('two are held, and all others are answered', () => slow.waiting === 2 && answered === 18);
    assert.match((await server.get('/metrics')).text, /changeover_ingest_bytes_in_flight 4\d{4}\n/);
    slow.release();
    const statuses = await Promise.all(replies);
    assert.deepEqual(new Set(statuses), new Set([202, 503]));
    assert.equal(statuses.filter((status) => status === 202).length, 2);
  });

  it('keeps the place of a request whose client has gone, until the store is done with it', async (t) => {
    const slow = slowWriter();
    const server = await startServer(t, { options: { maxRequests: 1 }, writer: () => slow });
    const gone = server.open({});
    gone.on('error', () => {});
    gone.end(JSON.stringify(agentChange('a')));
    await until('it is being written', () => slow.waiting === 1);
    gone.destroy();
    await until(
      'it is told of a full house',
      async () => (await server.post(agentChange('b'))).status === 503,
    );
    slow.release();
    await until('its place is free again', async () => (await server.post(agentChange('b'))).status === 202);
  });

  it('gives the place of a client free that goes while it sends', async (t) => {
    const server = await startServer(t, { options: { maxRequests: 1 } });
    const gone = server.open({ 'content-length': '1000' });
    gone.on('error', () => {});
    gone.write('[');
    await until('it has its place', async () => (await server.post(agentChange('b'))).status === 503);
    gone.destroy();
    await until('its place is free again', async () => (await server.post(agentChange('b'))).status === 202);
  });

  it('gives up a client that sends too slowly', async (t) => {
    const server = await startServer(t, { options: { requestTimeoutMs: 200, maxRequests: 1 } });
    const slow = server.open({ 'content-length': '1000' });
    const ended = new Promise<void>((resolve) => {
      slow.on('error', () => resolve());
      slow.on('response', () => resolve());
    });
    slow.write('[');
    await until('it has its place', async () => (await server.post(agentChange('b'))).status === 503);
    await ended;
    await until('its place is free again', async () => (await server.post(agentChange('b'))).status === 202);
  });
});

describe('a stop', () => {
  it('answers what is under way, and takes nothing new', async (t) => {
    const slow = slowWriter();
    const server = await startServer(t, { writer: () => slow });
    const reply = server.post(agentChange('a'));
    await until('it is being written', () => slow.waiting === 1);
    const closed = server.close();
    await until(
      'it listens no more',
      async () => (await server.get('/healthz').catch(() => undefined)) === undefined,
    );
    slow.release();
    assert.equal((await reply).status, 202);
    await closed;
  });

  it('does not wait for ever for what does not end', async (t) => {
    const slow = slowWriter();
    const server = await startServer(t, { options: { closeTimeoutMs: 100 }, writer: () => slow });
    const reply = server.post(agentChange('a')).catch(() => 'lost');
    await until('it is being written', () => slow.waiting === 1);
    await server.close();
    assert.equal(await reply, 'lost');
  });
});

/** Writes nothing until it is released. */
function slowWriter() {
  const gate = Promise.withResolvers<void>();
  const writer = {
    waiting: 0,
    release: () => gate.resolve(),
    write: async (writes: readonly EntityWrite[]): Promise<readonly WriteResult[]> => {
      writer.waiting++;
      await gate.promise;
      writer.waiting--;
      return writes.map(() => ({ status: 'written', version: 1 }));
    },
  };
  return writer;
}

async function statusWith(server: TestServer, headers: Record<string, string>): Promise<number | undefined> {
  const request = server.open(headers);
  request.end(JSON.stringify(agentChange('a')));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}
