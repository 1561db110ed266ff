import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { systemClock } from '../../core/clock.ts';
import type { Change } from '../../schemas/change.ts';
import { sampleEntity } from '../support/entities.ts';
import { testStack } from '../support/stack.ts';
import { openTcpProxy } from '../support/tcp-proxy.ts';
import { openSite } from './site.ts';
import { agentChange, replyOf, until } from './support.ts';

async function post(address: string, body: unknown, headers: Record<string, string> = {}) {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  };
  return replyOf(await fetch(`${address}/v1/changes`, init));
}

describe('changeover serve', () => {
  it('writes to the origin store and, by its relay, to the log, as they were committed', async (t) => {
    const site = await openSite(t);
    const refused = await site.cli('serve', '--port', '0');
    assert.equal(refused.code, 8, refused.stderr);
    assert.match(refused.stderr, /not captured.*\n.*changeover capture install redis/s);
    assert.equal((await site.cli('capture', 'install')).code, 0);

    const serving = await site.serve('--port', '0');
    const kinds = ['agent', 'experience', 'q-value', 'policy'] as const;
    const changes = kinds.map((kind) => ({
      id: `event-${kind}`,
      kind,
      op: 'upsert',
      entity: sampleEntity(kind, { name: 'ada' }),
    }));
    const { status, json, text } = await post(serving.address, { changes });
    assert.equal(status, 202, text);
    const again = await post(serving.address, changes);
    assert.deepEqual(
      again.json.results.map((result) => result.status),
      kinds.map(() => 'repeated'),
    );
    assert.equal(await site.redis.hget(`${site.name}:agent:ada`, 'type'), 'citizen');
    const logged = await site.log(4);
    assert.deepEqual(
      new Map(
        logged.map((change) => [change.eventId, [change.version, change.origin.path, { ...change.after }]]),
      ),
      new Map(
        kinds.map((kind, index) => [
          `event-${kind}`,
          [json.results[index]?.version, 'ingest', sampleEntity(kind, { name: 'ada' })],
        ]),
      ),
    );
    const unknown = await post(serving.address, { kind: 'embedding', op: 'delete', key: 'e' });
    assert.match(unknown.json.results[0]?.reason ?? '', /no configured store is the origin/);
    const ready = await fetch(`${serving.address}/readyz`);
    assert.deepEqual([ready.status, ((await ready.json()) as { ready: boolean }).ready], [200, true]);
    const metrics = await (await fetch(`${serving.address}/metrics`)).text();
    assert.match(metrics, /changeover_ingest_changes_total\{kind="agent",status="accepted"\} 1/);
    assert.match(metrics, /changeover_relay_published_total\{store="legacy\.redis"\} 4/);
    const { code, stderr } = await serving.stop();
    assert.equal(code, 0, stderr);
  });

  it('answers 503 with Retry-After while the store is away, and takes the same changes when it is back', async (t) => {
    const { host, port } = testStack().redis;
    const proxy = await openTcpProxy({ target: `${host}:${port}` });
    t.after(() => proxy.close());
    const site = await openSite(t, { redisAddress: proxy.address });
    assert.equal((await site.cli('capture', 'install')).code, 0);
    const serving = await site.serve('--port', '0');
    proxy.refuse();
    proxy.reset();
    const change = agentChange('a', { id: 'e' });
    const away = await post(serving.address, change);
    assert.equal(away.status, 503, away.text);
    assert.ok(Number(away.headers.get('retry-after')) >= 1);
    assert.equal(away.json.results[0]?.code, 'unreachable');
    assert.equal((await fetch(`${serving.address}/readyz`)).status, 503);
    proxy.restore();
    await until('it is taken', async () => (await post(serving.address, change)).status === 202);
    assert.equal((await post(serving.address, change)).json.repeated, 1);
    assert.equal((await site.log(1)).length, 1);
    assert.equal((await serving.stop()).code, 0);
  });

  it('refuses to listen where others can reach it without a token, and keeps the token out of its words', async (t) => {
    const site = await openSite(t, { more: { ingest: { mode: 'log' }, log: { level: 'debug' } } });
    const refused = await site.cli('serve', '--port', '0', '--host', '0.0.0.0');
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /server\.host is 0\.0\.0\.0.*there is no token/);
    const tokenFile = join(site.folder, 'token');
    await writeFile(tokenFile, 'short');
    const secret = await openSite(t, {
      more: { ingest: { mode: 'log' }, log: { level: 'debug' }, server: { tokenFile } },
    });
    const short = await secret.cli('serve', '--port', '0');
    assert.equal(short.code, 2);
    assert.doesNotMatch(short.stderr, /\bshort\b/);
    await writeFile(tokenFile, 'a-token-that-nobody-may-see\n');
    const serving = await secret.serve('--port', '0', '--host', '0.0.0.0');
    const at = `http://127.0.0.1:${serving.port}`;
    assert.equal((await post(at, agentChange('a'))).status, 401);
    const authorization = 'Bearer a-token-that-nobody-may-see';
    assert.equal((await post(at, agentChange('a'), { authorization })).status, 202);
    const { stderr, stdout } = await serving.stop();
    assert.doesNotMatch(stderr + stdout, /nobody-may-see/);
  });

  for (const mode of ['store', 'log'] as const) {
    it(`has in the log whatever it answered 202 to, killed again and again (mode ${mode})`, async (t) => {
      const site = await openSite(t, { more: { ingest: { mode } } });
      if (mode === 'store') assert.equal((await site.cli('capture', 'install')).code, 0);
      let serving = await site.serve('--port', '0');
      const { port } = serving;
      const stop = new AbortController();
      const accepted = new Map<string, number>();
      const clients = Array.from({ length: 4 }, (_, client) =>
        insist(`http://127.0.0.1:${port}`, client, accepted, stop.signal),
      );
      for (let kill = 0; kill < 3; kill++) {
        const enough = accepted.size + 50;
        while (accepted.size < enough) await systemClock.sleep(5);
        await serving.kill();
        serving = await site.serve('--port', port);
      }
      stop.abort();
      await Promise.all(clients);
      const logged = await site.log(accepted.size);
      assertHolds(logged, accepted, mode);
      await serving.stop();
    });
  }
});

/** Writes two keys a request, and repeats each request with its ids until it is answered. */
async function insist(
  address: string,
  client: number,
  accepted: Map<string, number>,
  signal: AbortSignal,
): Promise<void> {
  for (let number = 0; !signal.aborted; number++) {
    const body = [0, 1].map((place) =>
      agentChange(`c${client}-${(number + place) % 5}`, {
        id: `${client}-${number}-${place}`,
        entity: { id: `c${client}-${(number + place) % 5}`, type: 't', active: true, attributes: { number } },
      }),
    );
    for (;;) {
      const reply = await post(address, body).catch(() => undefined);
      if (reply?.status === 202) {
        for (const { id = '', version = 0 } of reply.json.results) accepted.set(id, version);
        break;
      }
      assert.ok(reply === undefined || reply.status === 503, reply?.text);
      await systemClock.sleep(20);
    }
  }
}

function assertHolds(logged: readonly Change[], accepted: ReadonlyMap<string, number>, mode: string): void {
  const versions = new Map<string, Set<number>>();
  for (const { eventId, version } of logged) {
    versions.set(eventId, (versions.get(eventId) ?? new Set()).add(version));
  }
  const lost = [...accepted].filter(([id, version]) => !versions.get(id)?.has(version));
  assert.deepEqual(lost, [], `of ${accepted.size}`);
  // A store remembers event ids; the log's writer forgets them with its process.
  if (mode === 'store') {
    const twice = [...versions].filter(([, seen]) => seen.size > 1);
    assert.deepEqual(twice, [], 'an event was written twice');
  }
}
