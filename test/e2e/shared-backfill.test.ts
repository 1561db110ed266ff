import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../log/log.ts';
import { orderRate, readReports } from '../../producers/backfill/orders.ts';
import type { Change } from '../../schemas/change.ts';
import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import type { RunningCommand } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { withKafkaLog } from '../support/kafka-log.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { changesIn } from '../support/memory-log.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { reconfigure } from '../support/reconfigure.ts';
import { testStack } from '../support/stack.ts';

const BATCH = 20;
const PARALLELISM = 2;
/** A range is given up with so much of it published and not yet written down, at most. */
const TWICE = BATCH * PARALLELISM * 5;

/** Items a second, so that there is time to do something to a process. */
const SLOWLY = 40;
const PATIENCE_MS = 45_000;

interface Result {
  readonly generation: number;
  readonly published: number;
}

describe('a backfill that several processes share', () => {
  let migration: Migration;
  /** Experiences that the origin has. */
  let keys: ReadonlySet<string>;
  let generation = 0;

  before(async () => {
    migration = await openMigration();
    await reconfigure(migration, {
      followers: { postgres: ['experience'] },
      backfill: { batchSize: BATCH, parallelism: PARALLELISM },
    });
    await migration.load(openGeneratedSociety({ agents: 12, seed: 4, learners: 1 }));
    const alone = await migration.cli('backfill', '--kinds', 'experience', '--json');
    assert.equal(alone.code, 0, alone.stderr);
    generation = JSON.parse(alone.stdout).generation;
    keys = new Set((await published(generation)).map(({ key }) => key));
    assert.ok(keys.size > 500, `${keys.size}`);
    assert.equal(JSON.parse(alone.stdout).published, keys.size);
  });
  after(async () => {
    await migration.close();
    await dropTopics(testStack().kafka.brokers[0] ?? '', migration.name);
  });

  function withLog<T>(work: (log: Log) => Promise<T>): Promise<T> {
    return withKafkaLog(migration.name, { brokers: testStack().kafka.brokers, partitions: 4 }, work);
  }

  /** What the log has of that run, as it was published: what no write has touched is labelled with the run's number. */
  async function published(run: number): Promise<readonly Change[]> {
    const changes = await withLog(changesIn);
    return changes.filter(({ version }) => version === run);
  }

  /** Two processes that both move ranges of a new run: slowly, until something happens to one of them. */
  async function withTwo(
    happens: (first: RunningCommand, second: RunningCommand) => void | Promise<void>,
  ): Promise<readonly [RunningCommand, RunningCommand]> {
    generation += 1;
    const start = (...more: readonly string[]) =>
      migration.start('backfill', '--kinds', 'experience', ...more);
    return withLog(async (log) => {
      await orderRate(log.control, SLOWLY);
      const first = start('--restart');
      await first.said(`Backfill ${generation}.`);
      const second = start();
      await second.said(`Going on with backfill ${generation}.`);
      await untilBothMove(log);
      await happens(first, second);
      await orderRate(log.control, null);
      return [first, second];
    });
  }

  async function untilBothMove(log: Log): Promise<void> {
    for (const startedMs = performance.now(); ; await sleep(50)) {
      const reports = (await readReports(log.control)).filter((report) => report.generation === generation);
      const moving = reports.filter((report) => report.ranges > 0 && report.published > 0);
      if (moving.length === 2) return;
      assert.ok(performance.now() - startedMs < PATIENCE_MS, JSON.stringify(reports));
    }
  }

  async function status() {
    const { code, stdout, stderr } = await migration.cli('backfill', 'status', '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  async function resultOf(command: RunningCommand): Promise<Result> {
    const { code, stdout, stderr } = await command.result;
    assert.equal(code, 0, stderr);
    const [count] = /Published ([\d,]+) /.exec(stdout)?.slice(1) ?? [];
    return { generation, published: Number(count?.replaceAll(',', '')) };
  }

  /** Both have published; nothing of the origin is missing; and what is there twice is little, and says the same. */
  async function assertMoved(): Promise<void> {
    const changes = await published(generation);
    assert.deepEqual(new Set(changes.map(({ key }) => key)), keys);
    assert.equal(new Set(changes.map(({ origin }) => origin.writer)).size, 2);
    assert.ok(changes.length - keys.size <= TWICE, `${changes.length - keys.size} twice`);
    const states = changes.map(({ key, after: state }) => JSON.stringify([key, state]));
    assert.equal(new Set(states).size, keys.size);
  }

  it('is over in all of them at once, with the same answer', async () => {
    const [first, second] = await withTwo(() => {});
    const results = await Promise.all([resultOf(first), resultOf(second)]);
    assert.deepEqual(results, [
      { generation, published: keys.size },
      { generation, published: keys.size },
    ]);
    await assertMoved();
  });

  it('goes on with the ranges of one that gets kill -9, and misses nothing of them', async () => {
    const [stays, killed] = await withTwo(async (_, second) => {
      second.child.kill('SIGKILL');
      await second.result;
    });
    assert.equal((await killed.result).code, null);
    assert.equal((await resultOf(stays)).published, keys.size);
    await assertMoved();
  });

  it('goes on with those of the one that has planned them', async () => {
    const [killed, stays] = await withTwo(async (first) => {
      first.child.kill('SIGKILL');
      await first.result;
    });
    assert.equal((await killed.result).code, null);
    assert.equal((await resultOf(stays)).published, keys.size);
    await assertMoved();
  });

  it('has the ranges of one that gets SIGTERM at once', async () => {
    let startedMs = 0;
    const [stays, stopped] = await withTwo((_, second) => {
      startedMs = performance.now();
      second.child.kill('SIGTERM');
    });
    assert.equal((await stopped.result).code, 130);
    assert.ok(performance.now() - startedMs < 10_000, 'it has let go');
    assert.equal((await resultOf(stays)).published, keys.size);
    await assertMoved();
  });

  it('is not undone by one that was stopped for longer than its session and goes on when all is over', async () => {
    const [stays, stopped] = await withTwo((_, second) => {
      second.child.kill('SIGSTOP');
    });
    assert.equal((await resultOf(stays)).published, keys.size);
    stopped.child.kill('SIGCONT');
    assert.equal((await resultOf(stopped)).published, keys.size);
    await assertMoved();
    const { run } = await status();
    assert.deepEqual([run.generation, run.status, run.published], [generation, 'done', keys.size]);
  });

  it('is told to be interrupted when the only process that was at it got kill -9, and goes on', async () => {
    generation += 1;
    await withLog(async (log) => {
      await orderRate(log.control, SLOWLY);
      const killed = migration.start('backfill', '--kinds', 'experience', '--restart');
      await killed.said(`Backfill ${generation}.`);
      await eventually(async () => {
        const { run, processes } = await status();
        assert.deepEqual(
          [run.status, ...processes.map(({ state }: { state: string }) => state)],
          ['running', 'running'],
        );
      }, PATIENCE_MS);
      killed.child.kill('SIGKILL');
      await killed.result;
      await eventually(async () => {
        const { run, processes } = await status();
        assert.deepEqual(
          [run.status, ...processes.map(({ state }: { state: string }) => state)],
          ['interrupted', 'stopped-reporting'],
        );
      }, PATIENCE_MS);
      await orderRate(log.control, null);
    });
    const again = migration.start('backfill', '--kinds', 'experience');
    assert.equal((await resultOf(again)).published, keys.size);
    assert.equal((await status()).run.status, 'done');
  });
});
