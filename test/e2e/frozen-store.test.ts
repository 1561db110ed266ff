import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import { upsert } from '../support/changes.ts';
import type { CommandResult, RunningCommand } from '../support/cli.ts';
import { sampleEntity } from '../support/entities.ts';
import { eventually } from '../support/eventually.ts';
import { withKafkaLog } from '../support/kafka-log.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { reconfigure } from '../support/reconfigure.ts';
import { testStack } from '../support/stack.ts';
import { openTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

const PATIENCE_MS = 30_000;
/** Of whoever stops a container by one signal, and kills it then. */
const STOPS_WITHIN_MS = 10_000;
/** Within a second, two signals count as one. */
const NOT_THE_SAME_SIGNAL_MS = 1_200;
/** Of a process that does nothing more. */
const AT_ONCE_MS = 1_000;

describe('`run`, beside a Postgres that is frozen with a batch under way', { concurrency: false }, () => {
  const { postgres, kafka } = testStack();
  let migration: Migration;
  let proxy: TcpProxy;
  let published = 0;

  before(async () => {
    migration = await openMigration();
    proxy = await openTcpProxy({ target: `${postgres.host}:${postgres.port}` });
    const url = new URL(postgres.url);
    url.host = proxy.address;
    await reconfigure(migration, {
      target: { postgres: { url: `${url}`, schema: migration.name } },
      followers: { postgres: ['agent'] },
    });
  });
  after(async () => {
    await migration.close();
    await proxy.close();
    await dropTopics(kafka.brokers[0] ?? '', migration.name);
  });

  async function publish(): Promise<void> {
    published += 1;
    const entity = sampleEntity('agent', { name: `agent ${published}` });
    await withKafkaLog(migration.name, { brokers: kafka.brokers, partitions: 4 }, async (log) => {
      await (await log.publisher()).publish([upsert('agent', entity, 1)]);
    });
  }

  async function agents(): Promise<number> {
    const { rows } = await migration.postgres.query(
      `SELECT count(*)::int AS agents FROM ${migration.name}.agents`,
    );
    return rows[0]?.agents;
  }

  /** It has sent Postgres something that does not arrive. */
  async function frozen(): Promise<RunningCommand> {
    const run = migration.start('run', '--stores', 'postgres');
    await run.said('; 0 to go');
    proxy.stall();
    const before = proxy.struck;
    await publish();
    await until(() => proxy.struck > before, PATIENCE_MS);
    return run;
  }

  async function assertNothingLost(): Promise<void> {
    assert.equal(await agents(), published - 1, 'what was under way has not arrived');
    // What was held back goes to connections that are gone.
    proxy.reset();
    proxy.restore();
    const { code, stderr } = await migration.cli('run', '--stores', 'postgres', '--until-caught-up');
    assert.equal(code, 0, stderr);
    assert.equal(await agents(), published);
  }

  it('is gone within 10 s of one SIGTERM, and what was under way is applied by the next', async (test) => {
    const run = await frozen();
    const startedMs = performance.now();
    run.child.kill('SIGTERM');
    const { code, stderr } = await run.result;
    const tookMs = performance.now() - startedMs;
    test.diagnostic(`after ${Math.round(tookMs)} ms`);
    assert.ok(tookMs < STOPS_WITHIN_MS, `${tookMs} ms`);
    // It has waited: or nothing was under way.
    assert.ok(tookMs > 4_000, `${tookMs} ms`);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /the store has not answered in time; what it was offered will be offered again/);
    await assertNothingLost();
  });

  it('is gone at once after a second SIGTERM, and what was under way is applied by the next', async (test) => {
    const run = await frozen();
    run.child.kill('SIGTERM');
    await run.said('once more stops at once');
    await sleep(NOT_THE_SAME_SIGNAL_MS);
    assert.equal(run.child.exitCode, null, 'it waits for what is under way');
    const startedMs = performance.now();
    run.child.kill('SIGTERM');
    const { code } = await run.result;
    const tookMs = performance.now() - startedMs;
    test.diagnostic(`after ${Math.round(tookMs)} ms`);
    assert.ok(tookMs < AT_ONCE_MS, `${tookMs} ms`);
    assert.equal(code, 130);
    await assertNothingLost();
  });
});

describe('other commands, beside a store that is frozen', { concurrency: false }, () => {
  const { kafka, neo4j, redis } = testStack();
  let migration: Migration;
  let toNeo4j: TcpProxy;
  let toRedis: TcpProxy;

  before(async () => {
    migration = await openMigration();
    await migration.load(openGeneratedSociety({ agents: 12, seed: 4, learners: 1 }));
    toNeo4j = await openTcpProxy({ target: new URL(neo4j.url).host });
    toRedis = await openTcpProxy({ target: `${redis.host}:${redis.port}` });
    const { legacy, target } = parse(await readFile(migration.configFile, 'utf8'));
    await reconfigure(migration, {
      legacy: { redis: { ...legacy.redis, url: `redis://${toRedis.address}/0` } },
      target: { neo4j: { ...target.neo4j, url: `bolt://${toNeo4j.address}` } },
      backfill: { batchSize: 20 },
    });
  });
  after(async () => {
    await migration.close();
    await Promise.all([toNeo4j.close(), toRedis.close()]);
    await dropTopics(kafka.brokers[0] ?? '', migration.name);
  });

  /** Of a store that has been frozen; when the command has sent something that does not arrive. */
  async function stopBeside(command: RunningCommand, proxy: TcpProxy): Promise<CommandResult> {
    await until(() => proxy.struck > 0, PATIENCE_MS);
    const startedMs = performance.now();
    command.child.kill('SIGTERM');
    const result = await command.result;
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < STOPS_WITHIN_MS, `${tookMs} ms: ${result.stderr}`);
    proxy.reset();
    proxy.restore();
    return result;
  }

  it('a backfill is gone within 10 s of one SIGTERM, and goes on where it was', async () => {
    const backfill = migration.start('backfill', '--kinds', 'experience', '--rate', '40', '--json');
    await eventually(async () => {
      const { stdout } = await migration.cli('backfill', 'status', '--json');
      assert.ok(JSON.parse(stdout).run.published > 0);
    }, PATIENCE_MS);
    toRedis.stall();
    const { code, stderr } = await stopBeside(backfill, toRedis);
    assert.equal(code, 130, stderr);
    const rest = await migration.cli('backfill', '--kinds', 'experience', '--json');
    assert.equal(rest.code, 0, rest.stderr);
  });

  it('`run` is gone within 10 s of one SIGTERM, and the next applies what it had not', async () => {
    const run = migration.start('run', '--stores', 'neo4j');
    await run.said('; 0 to go');
    toNeo4j.stall();
    const filled = await migration.cli('backfill', '--kinds', 'agent,relationship');
    assert.equal(filled.code, 0, filled.stderr);
    await stopBeside(run, toNeo4j);
    const next = await migration.cli('run', '--stores', 'neo4j', '--until-caught-up');
    assert.equal(next.code, 0, next.stderr);
    const validated = await migration.cli('validate', '--stores', 'neo4j');
    assert.equal(validated.code, 0, validated.stderr);
  });
});
