import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { metricsServer } from '../../cli/work/metrics-server.ts';
import { createCaptureMetrics } from '../../core/metrics/capture-metrics.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('the metrics of a relay', () => {
  it('are answered to Prometheus beside a sign of life, until it is stopped', async () => {
    const registry = new Registry();
    createCaptureMetrics(registry).relayPublished('legacy.redis', 7, 0);
    const address = `127.0.0.1:${await freePort()}`;
    const stop = new AbortController();
    const ended = metricsServer({
      option: 'relay.metricsAddress',
      address,
      registry,
      health: () => ({ relays: 1 }),
    }).run(stop.signal);
    await sleep(50);
    const metrics = await fetch(`http://${address}/metrics?x=1`);
    assert.match(metrics.headers.get('content-type') ?? '', /^text\/plain/);
    assert.match(await metrics.text(), /^changeover_relay_published_total\{store="legacy\.redis"\} 7$/m);
    assert.deepEqual(await (await fetch(`http://${address}/healthz`)).json(), { status: 'ok', relays: 1 });
    assert.equal((await fetch(`http://${address}/`)).status, 404);
    stop.abort();
    await ended;
    await assert.rejects(fetch(`http://${address}/healthz`));
  });

  it('are refused an address that somebody else has, by name', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const service = metricsServer({
      option: 'run.metricsAddress',
      address,
      registry: new Registry(),
      health: () => ({}),
    });
    await assert.rejects(service.run(new AbortController().signal), {
      code: 'conflict',
      message: new RegExp(`run.metricsAddress ${address}`),
    });
    other.close();
  });
});
