import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { reconfigure } from '../support/reconfigure.ts';
import { testStack } from '../support/stack.ts';

const KINDS = 'q-value,policy,experience';

describe('`changeover lag`', () => {
  let migration: Migration;
  let publishedMs: number;
  let published: number;

  before(async () => {
    migration = await openMigration();
    await reconfigure(migration, { followers: { postgres: ['q-value', 'policy', 'experience'] } });
    await migration.load(openGeneratedSociety({ agents: 60, seed: 8, learners: 0.5 }));
    publishedMs = Date.now();
    const backfill = await migration.cli('backfill', '--kinds', KINDS, '--json');
    assert.equal(backfill.code, 0, backfill.stderr);
    published = JSON.parse(backfill.stdout).published;
  });
  after(async () => {
    await migration.close();
    await dropTopics(testStack().kafka.brokers[0] ?? '', migration.name);
  });

  async function lag(...args: readonly string[]) {
    const { code, stdout, stderr } = await migration.cli('lag', '--store', 'postgres', '--json', ...args);
    const [group] = JSON.parse(stdout).groups;
    return { code, stderr, group };
  }

  it('says STALLED of records for a store that nobody follows, how many and how old, and fails a check', async () => {
    await sleep(2_000);
    const { code, stderr, group } = await lag('--check');
    const ageSeconds = (Date.now() - publishedMs) / 1_000;
    assert.equal(code, 15, stderr);
    assert.match(stderr, /do not go on: target\.postgres \(nobody has ever followed\)/);
    assert.deepEqual([group.state, group.records, group.members], ['STALLED', published, 0]);
    assert.equal(group.group, `${migration.name}.target.postgres`);
    assert.ok(group.seconds > 2 && group.seconds <= ageSeconds + 1, `${group.seconds} of ${ageSeconds} s`);
    const waiting = group.partitions.filter(({ records }: { records: number }) => records > 0);
    assert.ok(waiting.length > 1);
    assert.match(waiting[0].topic, new RegExp(`^${migration.name}\\.`));
    const table = await migration.cli('lag', '--store', 'target.postgres');
    assert.equal(table.code, 0, 'only a check fails');
    assert.match(table.stdout, /STALLED +nobody has ever followed; not running/);
  });

  it('says OK once everything was applied, whether `run` is running or not', async () => {
    const run = await migration.cli('run', '--stores', 'postgres', '--until-caught-up');
    assert.equal(run.code, 0, run.stderr);
    const { code, group } = await lag('--check');
    assert.equal(code, 0);
    assert.deepEqual([group.state, group.records, group.seconds, group.members], ['OK', 0, 0, 0]);
  });

  it('says STALLED of a store that is followed and commits nothing, after some looks', async () => {
    const run = migration.start('run', '--stores', 'postgres');
    await run.said('0 to go');
    // Whoever holds the table keeps the follower from writing to it.
    await migration.postgres.query('BEGIN');
    try {
      await migration.postgres.query(`LOCK TABLE ${migration.name}.q_values IN ACCESS EXCLUSIVE MODE`);
      const again = await migration.cli('backfill', '--kinds', 'q-value', '--restart');
      assert.equal(again.code, 0, again.stderr);
      const { code, group } = await lag('--check');
      assert.equal(code, 15, JSON.stringify(group));
      assert.equal(group.members, 1);
      assert.ok(group.records > 0);
      assert.match(
        group.partitions.find(({ state }: { state: string }) => state === 'STALLED').reason,
        /nothing committed for 1\d s/,
      );
    } finally {
      await migration.postgres.query('ROLLBACK');
    }
    for (let tries = 0; (await lag()).group.records > 0; tries++) assert.ok(tries < 20, 'it goes on');
    run.child.kill('SIGTERM');
    assert.equal((await run.result).code, 0);
  });
});
