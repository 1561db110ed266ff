import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import { type Migration, openMigration } from '../support/migration.ts';

describe('a move that is killed', () => {
  let migration: Migration;
  before(async () => {
    migration = await openMigration();
    await migration.load(
      openGeneratedSociety({ agents: 300, seed: 11, learners: 0.05, memoriesPerAgent: 1 }),
    );
  });
  after(() => migration.close());

  it('goes on where it was, however often backfill and consumers get kill -9', async () => {
    for (let round = 0; round < 3; round++) {
      const run = migration.start('run');
      await run.said('follows');
      const backfill = migration.start('backfill', '--batch-size', '50', '--rate', '500');
      await backfill.said('ackfill 1');
      await sleep(700 + round * 400);
      backfill.child.kill('SIGKILL');
      run.child.kill('SIGKILL');
      const killed = await backfill.result;
      assert.equal(killed.code, null, `round ${round} came too late to kill anything: ${killed.stderr}`);
      await run.result;
    }
    const backfill = await migration.cli('backfill', '--batch-size', '50');
    assert.equal(backfill.code, 0, backfill.stderr);
    assert.match(backfill.stderr, /Going on with backfill 1\./);
    const run = await migration.cli('run', '--until-caught-up');
    assert.equal(run.code, 0, run.stderr);
    const validate = await migration.cli('validate');
    assert.equal(validate.code, 0, validate.stdout);
  });

  it('begins a new run after one that has finished, and can be told to go on with an old one', async () => {
    const next = await migration.cli('backfill', '--kinds', 'policy');
    assert.match(next.stderr, /Backfill 2\./);
    const old = await migration.cli('backfill', '--kinds', 'policy', '--resume-from', '1');
    assert.match(old.stderr, /Going on with backfill 1\./);
    const none = await migration.cli('backfill', '--resume-from', '9');
    assert.equal(none.code, 2);
    assert.match(none.stderr, /no backfill 9 to resume; there are 1, 2/);
  });

  it('stops cleanly on SIGTERM, with everything that it said it did', async () => {
    const run = migration.start('run');
    await run.said('follows');
    await sleep(500);
    run.child.kill('SIGTERM');
    const { code, stdout } = await run.result;
    assert.equal(code, 0);
    assert.match(stdout, /target\.postgres: [\d,]+ changes received/);
  });
});
