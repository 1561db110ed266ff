import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { freeAddress, readMetrics, reconfigure } from '../support/reconfigure.ts';
import { testStack } from '../support/stack.ts';

const KINDS = ['--kinds', 'experience', '--restart'];

describe('a backfill that is running', () => {
  let migration: Migration;
  let address: string;
  let total: number;

  before(async () => {
    migration = await openMigration();
    address = await freeAddress();
    await reconfigure(migration, {
      followers: { postgres: ['experience'] },
      backfill: { batchSize: 20, parallelism: 2, maxLagRecords: 100, metricsAddress: address },
    });
    await migration.load(openGeneratedSociety({ agents: 10, seed: 4, learners: 1 }));
    const first = await migration.cli('backfill', ...KINDS, '--json');
    assert.equal(first.code, 0, first.stderr);
    total = JSON.parse(first.stdout).published;
    assert.ok(total > 500, `${total}`);
  });
  after(async () => {
    await migration.close();
    await dropTopics(testStack().kafka.brokers[0] ?? '', migration.name);
  });

  async function sampled(name: string): Promise<number | undefined> {
    const metrics = await readMetrics(address).catch(() => undefined);
    return metrics?.get(`changeover_${name}`);
  }

  async function until(reached: () => Promise<boolean>, withinMs: number): Promise<number> {
    const startedMs = performance.now();
    while (!(await reached())) {
      assert.ok(performance.now() - startedMs < withinMs, `not within ${withinMs} ms`);
      await sleep(50);
    }
    return performance.now() - startedMs;
  }

  async function status() {
    const { code, stdout, stderr } = await migration.cli('backfill', 'status', '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  it('is not held back by a store that has never followed', async () => {
    const { code, stderr } = await migration.cli('backfill', ...KINDS);
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /waiting|slowed/);
  });

  it('waits for a store that has stopped to apply, says for whom, and goes on with it', async () => {
    const run = migration.start('run', '--stores', 'postgres');
    await run.said('; 0 to go');
    await migration.postgres.query('BEGIN');
    await migration.postgres.query(`LOCK TABLE ${migration.name}.experiences IN ACCESS EXCLUSIVE MODE`);
    // Slow enough that there is something to hold back.
    const backfill = migration.start('backfill', ...KINDS, '--rate', '150');
    let published: number | undefined;
    try {
      await backfill.said('waiting: target.postgres is');
      await until(async () => (await sampled('backfill_throttle{reason="lag"}')) === 1, 2_000);
      assert.equal(await sampled('backfill_limit_per_second'), 0);
      published = await sampled('backfill_published_total{kind="experience"}');
      await sleep(6_000);
      assert.equal(await sampled('backfill_published_total{kind="experience"}'), published, 'it waits');
      assert.ok((published ?? 0) < total, `${published} of ${total}`);
    } finally {
      await migration.postgres.query('ROLLBACK');
    }
    const { code, stdout, stderr } = await backfill.result;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^Published/);
    assert.match(stderr, /and commits nothing/);
    run.child.kill('SIGTERM');
    assert.equal((await run.result).code, 0);
  });

  it('is paused, resumed and given another rate from elsewhere, within a second, and goes on where it was', async () => {
    // The store that followed is away now, and would be waited for as long as a restart may take.
    await reconfigure(migration, { backfill: { maxLagRecords: 0 } });
    assert.equal((await migration.cli('backfill', 'rate', '50')).code, 0);
    const backfill = migration.start('backfill', ...KINDS, '--parallelism', '1');
    await backfill.said('held to 50/s by the operator');
    await until(async () => ((await sampled('backfill_published_total{kind="experience"}')) ?? 0) > 0, 5_000);

    assert.equal((await migration.cli('backfill', 'pause')).code, 0);
    const tookMs = await until(
      async () => (await sampled('backfill_throttle{reason="paused"}')) === 1,
      2_000,
    );
    assert.ok(tookMs < 1_000, `${tookMs} ms after the order`);
    await sleep(500);
    const published = await sampled('backfill_published_total{kind="experience"}');
    await sleep(1_500);
    assert.equal(await sampled('backfill_published_total{kind="experience"}'), published);
    const paused = await status();
    assert.deepEqual([paused.orders.paused, paused.orders.perSecond], [true, 50]);
    assert.deepEqual(
      paused.processes.map(({ state }: { state: string }) => state),
      ['paused'],
    );

    // A process that is started meanwhile waits, too; it is killed, and so is the first: the run is what goes on.
    backfill.child.kill('SIGKILL');
    await backfill.result;
    const second = migration.start('backfill', '--kinds', 'experience');
    await second.said('paused; `changeover backfill resume` goes on');
    assert.equal(await sampled('backfill_published_total{kind="experience"}'), undefined);

    // In a rate of its own, which survives the restart, it would take a quarter of a minute or more.
    assert.equal((await migration.cli('backfill', 'rate', 'none')).code, 0);
    assert.equal((await migration.cli('backfill', 'resume')).code, 0);
    const { code, stdout, stderr } = await second.result;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Going on with backfill/);
    assert.match(stdout.replaceAll(',', ''), new RegExp(`^Published ${total} `));
    const end = await status();
    assert.deepEqual([end.orders.paused, end.orders.perSecond, end.run.status], [false, null, 'done']);
    assert.equal(end.run.published, total);
  });
});
