import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { upsert } from '../support/changes.ts';
import type { RunningCommand } from '../support/cli.ts';
import { sampleEntity } from '../support/entities.ts';
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
