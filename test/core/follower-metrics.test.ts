import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Registry, register } from 'prom-client';
import { createBackfillMetrics, THROTTLE_REASONS } from '../../core/metrics/backfill-metrics.ts';
import { createFollowerMetrics } from '../../core/metrics/follower-metrics.ts';

const BATCH = { received: 10, applied: 6, stale: 3, refused: 1, bytes: 900, applyMs: 40, newestMs: 1_000 };

async function samplesOf(registry: Registry): Promise<ReadonlyMap<string, number>> {
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice('changeover_'.length, at), Number(line.slice(at + 1))];
    }),
  );
}

function open() {
  let nowMs = 5_000;
  const registry = new Registry();
  const metrics = createFollowerMetrics(registry, { elapsedMs: () => nowMs, nowUs: () => nowMs * 1_000 });
  metrics.follows('s');
  return {
    registry,
    metrics,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe('the metrics of a follower', () => {
  it('are there before anything happened', async () => {
    const samples = await samplesOf(open().registry);
    for (const name of ['consumed_total', 'dead_lettered_total', 'retries_total', 'batch_changes_count']) {
      assert.equal(samples.get(`${name}{store="s"}`), 0, name);
    }
  });

  it('account for every change of a batch, with times in seconds', async () => {
    const { registry, metrics, pass } = open();
    metrics.batch('s', BATCH);
    metrics.batch('s', { ...BATCH, applied: 9, stale: 1, refused: 0 });
    pass(2_500);
    const samples = await samplesOf(registry);
    const read = (name: string) => samples.get(`${name}{store="s"}`);
    assert.deepEqual(
      ['consumed_total', 'applied_total', 'stale_total', 'dead_lettered_total'].map(read),
      [20, 15, 4, 1],
    );
    assert.deepEqual([read('batch_changes_count'), read('batch_changes_sum')], [2, 20]);
    assert.equal(read('apply_seconds_sum'), 0.08);
    assert.equal(read('delivery_seconds_sum'), 8, 'two that were 4 s old');
    assert.equal(read('progress_age_seconds'), 2.5);
  });

  it('say the lag by partition, and nothing where it is not known or the partition is another’s', async () => {
    const { registry, metrics } = open();
    const lag = (partition: number) => ({ kind: 'agent', partition, records: 7, seconds: 1.5 });
    metrics.lag('s', [lag(0), lag(1)]);
    const read = async (name: string, partition: number) =>
      (await samplesOf(registry)).get(`${name}{store="s",kind="agent",partition="${partition}"}`);
    assert.deepEqual([await read('lag_records', 1), await read('lag_seconds', 1)], [7, 1.5]);
    metrics.lag('s', [lag(0)]);
    assert.deepEqual([await read('lag_records', 0), await read('lag_records', 1)], [7, undefined]);
    metrics.lag('s', undefined);
    assert.equal(await read('lag_records', 0), undefined);
  });

  it('say that a store does not take what it is offered', async () => {
    const { registry, metrics } = open();
    metrics.retried('s');
    metrics.breaker('s', true);
    metrics.group('s', 'rebalanced');
    const samples = await samplesOf(registry);
    assert.deepEqual(
      [samples.get('retries_total{store="s"}'), samples.get('breaker_open{store="s"}')],
      [1, 1],
    );
    assert.equal(samples.get('group_events_total{store="s",event="rebalanced"}'), 1);
  });
});

describe('the metrics of a backfill', () => {
  it('say of every reason whether it holds the backfill back', async () => {
    const registry = new Registry();
    const metrics = createBackfillMetrics(registry);
    metrics.throttled(new Set(['lag']), 250);
    const samples = await samplesOf(registry);
    for (const reason of THROTTLE_REASONS) {
      assert.equal(samples.get(`backfill_throttle{reason="${reason}"}`), reason === 'lag' ? 1 : 0, reason);
    }
    assert.equal(samples.get('backfill_limit_per_second'), 250);
  });
});

it('all of them are in the registry that was given and in no other, named alike', async () => {
  const { registry } = open();
  createBackfillMetrics(registry);
  assert.equal(register.getMetricsAsArray().length, 0);
  for (const { name, help } of await registry.getMetricsAsJSON()) {
    assert.match(name, /^changeover_[a-z_]+$/);
    assert.match(help, /\.$/);
  }
});
