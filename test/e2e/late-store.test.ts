import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import { eventually } from '../support/eventually.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { reconfigure } from '../support/reconfigure.ts';
import { testStack } from '../support/stack.ts';
import { openTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const PATIENCE_MS = 60_000;
const AGENTS = 40;

describe('`run`, where a store does not answer when it starts', () => {
  const { postgres, kafka } = testStack();
  let migration: Migration;
  let proxy: TcpProxy;

  before(async () => {
    migration = await openMigration();
    proxy = await openTcpProxy({ target: `${postgres.host}:${postgres.port}` });
    proxy.refuse();
    const url = new URL(postgres.url);
    url.host = proxy.address;
    await reconfigure(migration, {
      target: {
        neo4j: { ...testStack().neo4j, labels: { agent: migration.labels.agent } },
        postgres: { url: `${url}`, schema: migration.name, connectTimeoutMs: 3_000 },
      },
      followers: { neo4j: ['agent'], postgres: ['agent'] },
    });
    await migration.load(openGeneratedSociety({ agents: AGENTS, seed: 9 }));
  });
  after(async () => {
    await migration.close();
    await proxy.close();
    await dropTopics(kafka.brokers[0] ?? '', migration.name);
  });

  async function inNeo4j(): Promise<number> {
    const { records } = await migration.neo4j.executeQuery(
      `MATCH (a:${migration.labels.agent}) RETURN count(a) AS agents`,
    );
    return Number(records[0]?.get('agents'));
  }

  it('serves the others, and waits for that one', async () => {
    const run = migration.start('run');
    await run.said('target.postgres is not there and is waited for: ');
    const backfill = await migration.cli('backfill', '--kinds', 'agent');
    assert.equal(backfill.code, 0, backfill.stderr);
    await eventually(async () => assert.equal(await inNeo4j(), AGENTS), PATIENCE_MS);
    proxy.restore();
    await eventually(async () => {
      const { rows } = await migration.postgres.query(
        `SELECT count(*)::int AS agents FROM ${migration.name}.agents`,
      );
      assert.equal(rows[0]?.agents, AGENTS);
    }, PATIENCE_MS);
    run.child.kill('SIGTERM');
    const { code, stderr } = await run.result;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /the store is there now/);
  });

  it('stops at once while it waits', async () => {
    proxy.refuse();
    const run = migration.start('run');
    await run.said('target.postgres is not there and is waited for: ');
    await sleep(500);
    const startedMs = performance.now();
    run.child.kill('SIGTERM');
    assert.equal((await run.result).code, 0);
    assert.ok(performance.now() - startedMs < 10_000);
  });

  it('ends with 6 where no store answers, and where the end of the work is waited for', async () => {
    proxy.refuse();
    for (const flags of [['--stores', 'postgres'], ['--until-caught-up']]) {
      const { code, stderr } = await migration.cli('run', ...flags);
      assert.equal(code, 6, stderr);
      assert.match(stderr, /Postgres at 127\.0\.0\.1/);
    }
  });
});
