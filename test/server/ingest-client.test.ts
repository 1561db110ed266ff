import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { systemClock } from '../../core/clock.ts';
import { MemoryOutbox } from '../support/memory-outbox.ts';
import { openTcpProxy } from '../support/tcp-proxy.ts';
import { openSite } from './site.ts';
import { agentChange, agentEntity, startServer, until } from './support.ts';

const CLIENT = 'docs/examples/ingest_client.py';
const folder = mkdtempSync(join(tmpdir(), 'changeover-client-'));
after(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the example as its user would. */
function client(lines: readonly (object | string)[], ...args: readonly string[]): Promise<Ended> {
  const file = join(folder, `${Math.random()}.ndjson`);
  writeFileSync(
    file,
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  );
  const child = spawn('python3', [CLIENT, ...args, file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}

const keysOf = (outbox: MemoryOutbox): readonly string[] =>
  outbox.items.flatMap((item) => ('entry' in item ? [item.entry.change.key] : []));

describe('the Python example client', () => {
  it('sends a file in batches, each change with an event id, and names what was rejected by its line', async (t) => {
    const server = await startServer(t);
    const lines = [
      agentChange('a'),
      agentChange('b', { entity: {} }),
      agentChange('c'),
      { kind: 'agent', op: 'delete', key: 'a' },
      '{"kind": "agent", "op": "upsert", "entity": {"id": "n", "attributes": {"x": NaN}}}',
      '7',
    ];
    const { code, stdout, stderr } = await client(lines, '--url', server.address, '--batch', '3');
    assert.equal(code, 3, stderr);
    assert.deepEqual(JSON.parse(stdout), { accepted: 3, rejected: 3 });
    assert.match(stderr, /line 2: entity\.id: /);
    assert.match(stderr, /line 5: it is no JSON object: .*float/);
    assert.match(stderr, /line 6: it is no JSON object: /);
    assert.deepEqual(keysOf(server.outbox), ['a', 'c', 'a']);
    const ids = server.outbox.items.map((item) => 'entry' in item && item.entry.change.eventId);
    assert.equal(new Set(ids).size, 3);
  });

  it('sends again after the time of Retry-After while the outbox is full, and only what was not taken', async (t) => {
    const outbox = new MemoryOutbox({ maxEntries: 1 });
    const server = await startServer(t, { outbox });
    const startedMs = performance.now();
    const ended = client([agentChange('a')], '--url', server.address);
    assert.equal((await ended).code, 0);
    const waiting = client([agentChange('b')], '--url', server.address);
    await systemClock.sleep(1_000);
    // A relay takes the entry out.
    outbox.remove(['e1']);
    const { code, stdout, stderr } = await waiting;
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /waiting for http:\S+: 1 changes again in 5\.0 s, for at most another 60 s: The outbox is full/,
    );
    assert.deepEqual(JSON.parse(stdout), { accepted: 1 });
    assert.ok(performance.now() - startedMs > 5_000);
    assert.deepEqual(keysOf(outbox), ['b']);
  });

  it('sends again when the answer was lost, and nothing is done twice', async (t) => {
    const server = await startServer(t);
    const proxy = await openTcpProxy({ target: new URL(server.address).host });
    t.after(() => proxy.close());
    proxy.swallowAnswers();
    const ended = client([agentChange('a'), agentChange('b')], '--url', `http://${proxy.address}`);
    await until('both are written', () => server.outbox.items.length === 2);
    proxy.restore();
    proxy.reset();
    const { code, stdout, stderr } = await ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /no answer: /);
    assert.deepEqual(JSON.parse(stdout), { repeated: 2 });
    assert.deepEqual(keysOf(server.outbox), ['a', 'b']);
  });

  it('gives up what the server refuses, and what it does not take in time', async (t) => {
    const secured = await startServer(t, { context: { token: 'a-token-of-the-tests' } });
    const refused = await client([agentChange('a')], '--url', secured.address);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /401: The token is missing/);
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, 'a-token-of-the-tests\n');
    const allowed = await client([agentChange('a')], '--url', secured.address, '--token-file', tokenFile);
    assert.equal(allowed.code, 0, allowed.stderr);
    const full = await startServer(t, { outbox: new MemoryOutbox({ maxEntries: 1 }) });
    await full.post(agentChange('a'));
    const late = await client([agentChange('b')], '--url', full.address, '--patience', '1');
    assert.equal(late.code, 1);
    assert.match(
      late.stderr,
      /1 changes were not taken by http:\S+: The outbox is full.*; given up after 0 s, with 1 tries, because the server asks to wait for another 5 s/,
    );
    assert.equal((await client(['{'], '--url', full.address)).code, 1);
  });

  it('tries a server that is not there later and later, says so, and gives it up after its patience', async () => {
    const nobody = await openTcpProxy({ target: '127.0.0.1:1' });
    await nobody.close();
    const startedMs = performance.now();
    const url = `http://${nobody.address}`;
    const { code, stderr } = await client([agentChange('a')], '--url', url, '--patience', '3');
    const tookMs = performance.now() - startedMs;
    assert.equal(code, 1);
    assert.ok(tookMs > 2_900 && tookMs < 6_000, `${tookMs} ms`);
    const waits = [...stderr.matchAll(/waiting for (\S+): 1 changes again in ([\d.]+) s, .*refused/g)];
    assert.ok(waits.length >= 4 && waits.length <= 12, stderr);
    for (const [, where] of waits) assert.equal(where, url);
    assert.match(stderr, /1 changes were not taken by http:\S+: no answer: .*refused; given up after 3 s/);
  });

  it('loses nothing and doubles nothing when changeover serve is killed and started again', async (t) => {
    const site = await openSite(t);
    assert.equal((await site.cli('capture', 'install')).code, 0);
    const first = await site.serve('--port', '0');
    const lines = Array.from({ length: 3_000 }, (_, index) => ({
      kind: 'agent',
      op: 'upsert',
      entity: agentEntity(`a${index}`, { index }),
    }));
    const ended = client(lines, '--url', first.address, '--batch', '20');
    await until('some are written', async () => (await site.redis.exists(`${site.name}:agent:a200`)) === 1);
    await first.kill();
    const second = await site.serve('--port', first.port);
    const { code, stdout, stderr } = await ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /no answer: /);
    const { accepted = 0, repeated = 0 } = JSON.parse(stdout) as Record<string, number>;
    assert.equal(accepted + repeated, 3_000);
    const logged = await site.log(3_000);
    assert.equal(new Set(logged.map(({ key }) => key)).size, 3_000);
    assert.equal(new Set(logged.map(({ key, version }) => `${key} ${version}`)).size, 3_000);
    assert.equal((await second.stop()).code, 0);
  });
});
