import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { freeAddress, readMetrics, reconfigure } from '../support/reconfigure.ts';
import { testStack } from '../support/stack.ts';

const STORE = 'target.postgres';

interface Health {
  readonly status: string;
  readonly followers: Readonly<Record<string, { readonly received: number; readonly breaker: string }>>;
  readonly relays: object;
}

describe('the metrics of `run`', () => {
  let migration: Migration;
  let address: string;

  before(async () => {
    migration = await openMigration();
    address = await freeAddress();
    await reconfigure(migration, { run: { metricsAddress: address, maxBatchChanges: 100 } });
    await migration.load(openGeneratedSociety({ agents: 120, seed: 5, learners: 0.5 }));
  });
  after(async () => {
    await migration.close();
    await dropTopics(testStack().kafka.brokers[0] ?? '', migration.name);
  });

  it('account for every change: consumed = applied + stale + dead-lettered, and nothing left at the end', async () => {
    const kinds = 'agent,experience,q-value,policy';
    const published: number[] = [];
    // The second time every one of them is stale, or is written again with the same content.
    for (const args of [[], ['--restart']]) {
      const backfill = await migration.cli('backfill', '--kinds', kinds, '--json', ...args);
      assert.equal(backfill.code, 0, backfill.stderr);
      published.push(JSON.parse(backfill.stdout).published);
    }
    const total = published.reduce((sum, each) => sum + each, 0);
    assert.ok(total > 300, `${total}`);
    const run = migration.start('run', '--stores', 'postgres', '--relay');
    try {
      await run.said('follows');
      for (let tries = 0; tries < 150; tries++) {
        const metrics = await readMetrics(address).catch(() => undefined);
        const consumed = metrics?.get(`changeover_consumed_total{store="${STORE}"}`) ?? 0;
        const lags = Array.from(metrics ?? []).filter(([name]) => name.startsWith('changeover_lag_records{'));
        if (consumed === total && lags.length > 0 && lags.every(([, lag]) => lag === 0)) break;
        await sleep(100);
      }
      const metrics = await readMetrics(address);
      const sample = (name: string, labels = ''): number =>
        metrics.get(`changeover_${name}{store="${STORE}"${labels}}`) ?? Number.NaN;
      const [consumed, applied, stale, dead] = [
        sample('consumed_total'),
        sample('applied_total'),
        sample('stale_total'),
        sample('dead_lettered_total'),
      ];
      assert.deepEqual([consumed, dead], [total, 0]);
      assert.equal(applied + stale + dead, consumed);
      const batches = sample('batch_changes_count');
      assert.equal(sample('batch_changes_sum'), total);
      assert.ok(batches >= total / 100, `${batches} batches of at most 100`);
      assert.equal(sample('apply_seconds_count'), batches);
      assert.ok(sample('apply_seconds_sum') > 0);
      assert.deepEqual([sample('breaker_open'), sample('retries_total')], [0, 0]);
      assert.ok(sample('progress_age_seconds') < 60);
      assert.ok(sample('group_events_total', ',event="rebalanced"') >= 1);
      // The relays of the same process are in the same place.
      assert.ok(metrics.has('changeover_relay_claim_held{store="legacy.redis"}'));
      const answer = await fetch(`http://${address}/healthz`);
      const health = (await answer.json()) as Health;
      assert.equal(health.status, 'ok');
      assert.equal(health.followers[STORE]?.received, total);
      assert.equal(health.followers[STORE]?.breaker, 'closed');
      assert.ok('legacy.redis' in health.relays);
    } finally {
      run.child.kill('SIGTERM');
    }
    const { code, stderr } = await run.result;
    assert.equal(code, 0, stderr);
  });
});
