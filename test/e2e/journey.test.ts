import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import { type Migration, openMigration } from '../support/migration.ts';

/** From the legacy stores through Kafka into the target stores, by the commands that an operator types. */
describe('a society moves', () => {
  let migration: Migration;
  before(async () => {
    migration = await openMigration();
    await migration.load(openGeneratedSociety({ agents: 150, seed: 7, learners: 0.05 }));
  });
  after(() => migration.close());

  it('tells what moves where', async () => {
    const { code, stdout } = await migration.cli('config', 'check');
    assert.equal(code, 0);
    assert.match(stdout, /relationship +legacy\.dictionary +target\.neo4j/);
    assert.match(stdout, /embedding +legacy\.neo4j +target\.milvus/);
    assert.match(stdout, /agent +legacy\.dictionary +target\.neo4j, target\.postgres/);
  });

  it('is counted and estimated by a dry run that writes nothing', async () => {
    const { code, stdout, stderr } = await migration.cli('backfill', '--dry-run');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /agent +legacy\.dictionary +150 /);
    assert.match(stdout, /Nothing was written/);
    const run = await migration.cli('validate', '--kinds', 'agent', '--stores', 'neo4j', '--json');
    assert.equal(run.code, 5, 'the target is still empty');
  });

  it('arrives complete, and validation says so', async () => {
    const backfill = await migration.cli('backfill', '--batch-size', '100');
    assert.equal(backfill.code, 0, backfill.stderr);
    assert.match(backfill.stdout, /^Published [\d,]+ entities in /);
    const run = await migration.cli('run', '--until-caught-up');
    assert.equal(run.code, 0, run.stderr);
    const validate = await migration.cli('validate', '--json');
    assert.equal(validate.code, 0, validate.stdout + validate.stderr);
    const { comparisons } = JSON.parse(validate.stdout);
    assert.equal(comparisons.length, 7);
    for (const each of comparisons) {
      assert.ok(each.equal > 0, `${each.kind} in ${each.right} has something to compare`);
      assert.equal(each.missing + each.extra + each.different + each.rejected, 0);
    }
  });

  it('has the documented shape in the graph', async () => {
    const { labels } = migration;
    const { records } = await migration.neo4j.executeQuery(
      `MATCH (a:${labels.agent})-[r]->(b:${labels.agent}) RETURN keys(r) AS names, a.id AS id, a.type AS type, a.active AS active, a.name AS name LIMIT 1`,
    );
    const row = records[0]?.toObject() ?? assert.fail('there is a relationship');
    for (const name of ['strength', 'migrated', '_version']) assert.ok(row.names.includes(name), name);
    for (const name of ['id', 'type', 'name']) assert.equal(typeof row[name], 'string');
    assert.equal(typeof row.active, 'boolean');
  });

  it('changes nothing when it is applied again', async () => {
    assert.equal((await migration.cli('backfill', '--restart')).code, 0);
    assert.equal((await migration.cli('run', '--until-caught-up')).code, 0);
    assert.equal((await migration.cli('validate')).code, 0);
  });

  it('is found out when a target was changed behind its back', async () => {
    const { postgres, name, folder } = migration;
    const { rows } = await postgres.query(`SELECT agent_id, state, action FROM ${name}.q_values LIMIT 1`);
    await postgres.query(
      `UPDATE ${name}.q_values SET visits = visits + 1 WHERE agent_id = $1 AND state = $2 AND action = $3`,
      [rows[0].agent_id, rows[0].state, rows[0].action],
    );
    const file = `${folder}/differences.ndjson`;
    const { code, stdout, stderr } = await migration.cli(
      'validate',
      '--kinds',
      'q-value',
      '--differences',
      file,
    );
    assert.equal(code, 5);
    assert.match(stdout, /q-value .*: different in visits/);
    assert.match(stderr, /1 difference in 1 of 1 comparisons/);
    const difference = JSON.parse(await readFile(file, 'utf8'));
    assert.deepEqual(
      [difference.class, difference.kind, difference.fields],
      ['different', 'q-value', ['visits']],
    );
  });
});
