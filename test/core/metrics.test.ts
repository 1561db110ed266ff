import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Registry, register } from 'prom-client';
import { createCaptureMetrics } from '../../core/metrics/capture-metrics.ts';

const reading = {
  active: true,
  entries: 40,
  oldestUs: 7_000_000,
  maxEntries: 1_000,
  setAside: 2,
  lostSinceUs: null,
};

async function sampleOf(registry: Registry, text: string): Promise<number | undefined> {
  const line = (await registry.metrics()).split('\n').find((each) => each.startsWith(`${text} `));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

describe('the metrics of live capture', () => {
  it('say what an outbox says, in seconds', async () => {
    const registry = new Registry();
    createCaptureMetrics(registry).outboxRead('legacy.redis', reading, 9_500_000);
    const read = (name: string) => sampleOf(registry, `changeover_${name}{store="legacy.redis"}`);
    assert.equal(await read('outbox_entries'), 40);
    assert.equal(await read('outbox_oldest_entry_age_seconds'), 2.5);
    assert.equal(await read('outbox_max_entries'), 1_000);
    assert.equal(await read('outbox_set_aside_entries'), 2);
    assert.equal(await read('capture_active'), 1);
    assert.equal(await read('capture_lost'), 0);
  });

  it('say the age 0 of an empty outbox and of a clock that is ahead', async () => {
    const registry = new Registry();
    const metrics = createCaptureMetrics(registry);
    metrics.outboxRead('ahead', reading, 1_000_000);
    metrics.outboxRead('empty', { ...reading, entries: 0, oldestUs: null }, 1_000_000);
    for (const store of ['ahead', 'empty'])
      assert.equal(
        await sampleOf(registry, `changeover_outbox_oldest_entry_age_seconds{store="${store}"}`),
        0,
      );
  });

  it('count what a relay did and what became of writes', async () => {
    const registry = new Registry();
    const metrics = createCaptureMetrics(registry);
    metrics.relayHolds('s', true);
    metrics.relayPublished('s', 10, 0);
    metrics.relayPublished('s', 5, 3);
    metrics.relayDiscarded('s', 15);
    metrics.relaySetAside('s');
    metrics.captureWrites('s', 'written', 4);
    metrics.captureWrites('s', 'rejected', 1);
    const read = (name: string, labels = 'store="s"') => sampleOf(registry, `changeover_${name}{${labels}}`);
    assert.deepEqual(
      [
        await read('relay_claim_held'),
        await read('relay_published_total'),
        await read('relay_republished_total'),
        await read('relay_discarded_total'),
        await read('relay_set_aside_total'),
        await read('capture_writes_total', 'store="s",outcome="written"'),
        await read('capture_writes_total', 'store="s",outcome="rejected"'),
      ],
      [1, 15, 3, 15, 1, 4, 1],
    );
  });

  it('are in the registry that was given and in no other, named alike', async () => {
    const registry = new Registry();
    createCaptureMetrics(registry);
    assert.equal(register.getMetricsAsArray().length, 0);
    for (const { name, help } of await registry.getMetricsAsJSON()) {
      assert.match(name, /^changeover_[a-z_]+$/);
      assert.match(help, /\.$/);
    }
  });
});
