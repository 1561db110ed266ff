import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { parse } from 'yaml';
import { intercept, redisMapping } from '../../connectors/redis/intercept/intercept.ts';
import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { testStack } from '../support/stack.ts';

const WRITERS = 4;
const AGENTS = 12;

/** From an application that writes to Redis through the shim, into the stores that follow, by the operator's commands. */
describe('writes to Redis', () => {
  let migration: Migration;
  let client: Redis;
  /** The state that the last acknowledged write of each q-value left: null for none. */
  const written = new Map<string, { value: number; visits: number } | null>();

  before(async () => {
    migration = await openMigration();
    await migration.load(openGeneratedSociety({ agents: 20, seed: 3, learners: 0.2 }));
    const { legacy } = parse(await readFile(migration.configFile, 'utf8'));
    const { keys, bookkeepingPrefix } = legacy.redis;
    client = intercept(migration.redis.duplicate(), redisMapping({ keys, bookkeepingPrefix, writer: 'e2e' }));
  });
  after(async () => {
    client.disconnect();
    await migration.close();
    await dropTopics(testStack().kafka.brokers[0] ?? '', migration.name);
  });

  /** Writes and deletes q-values until it is stopped; each writer has fields of its own. */
  async function writeUntil(signal: AbortSignal): Promise<void> {
    const writer = async (number: number): Promise<void> => {
      for (let round = 0; !signal.aborted; round++) {
        const agent = `live${round % AGENTS}`;
        const field = `s${number}|${round % 3}`;
        const key = `${migration.name}:q:${agent}`;
        const isDelete = round % 7 === 3;
        const state = isDelete ? null : { value: round / 3, visits: round };
        if (state === null) await client.hdel(key, field);
        else await client.hset(key, field, JSON.stringify(state));
        written.set(`${agent} ${field}`, state);
        await sleep(5);
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, (_, number) => writer(number)));
  }

  it('are captured from `capture install` on, and `capture status` says so', async () => {
    const none = await migration.cli('capture', 'status', 'redis');
    assert.equal(none.code, 8, none.stdout + none.stderr);
    assert.match(none.stdout, /^legacy\.redis +NO /m);
    const installed = await migration.cli('capture', 'install', 'redis');
    assert.equal(installed.code, 0, installed.stderr);
    const status = await migration.cli('capture', 'status', 'redis', '--json');
    assert.equal(status.code, 0, status.stderr);
    const [redis] = JSON.parse(status.stdout).stores;
    assert.deepEqual([redis.store, redis.active, redis.entries], ['legacy.redis', true, 0]);
  });

  it('reach the stores that follow, although the relay gets kill -9 again and again', async () => {
    const backfill = await migration.cli('backfill', '--kinds', 'q-value,policy,experience');
    assert.equal(backfill.code, 0, backfill.stderr);
    const stop = new AbortController();
    const run = migration.start('run', '--stores', 'postgres');
    await run.said('follows');
    const writing = writeUntil(stop.signal);
    for (let round = 0; round < 2; round++) {
      const relay = migration.start('relay', '--stores', 'redis');
      await relay.said('is relayed');
      // The claim of the one before ends when it has not been renewed for 10 s.
      await sleep(round === 0 ? 1_500 : 11_500);
      relay.child.kill('SIGKILL');
      await relay.result;
    }
    stop.abort();
    await writing;
    const rest = await migration.cli('relay', '--stores', 'redis', '--until-empty');
    assert.equal(rest.code, 0, rest.stderr);
    assert.match(rest.stdout, /^legacy\.redis: [\d,]+ entries published/m);
    run.child.kill('SIGTERM');
    assert.equal((await run.result).code, 0);
    const caughtUp = await migration.cli('run', '--stores', 'postgres', '--until-caught-up');
    assert.equal(caughtUp.code, 0, caughtUp.stderr);

    const { rows } = await migration.postgres.query(
      `SELECT agent_id, state, action, value, visits FROM ${migration.name}.q_values WHERE agent_id LIKE 'live%'`,
    );
    const there = new Map(
      rows.map(({ agent_id, state, action, value, visits }) => [
        `${agent_id} ${state}|${action}`,
        { value: Number(value), visits: Number(visits) },
      ]),
    );
    const expected = [...written].filter(([, state]) => state !== null);
    assert.ok(expected.length > 20, `${expected.length}`);
    assert.deepEqual(new Map([...there].sort()), new Map(expected.sort()));
    const validate = await migration.cli('validate', '--kinds', 'q-value,policy,experience');
    assert.equal(validate.code, 0, validate.stdout);
  });

  it('are relayed by `run --relay` too, which ends caught up with what the outbox held', async () => {
    const key = `${migration.name}:q:together`;
    await client.hset(key, 's|1', '{"value":1.5,"visits":4}');
    await migration.cli('capture', 'install');
    const run = await migration.cli('run', '--relay', '--stores', 'postgres', '--until-caught-up');
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /^legacy\.redis: 1 entry published$/m);
    const { rows } = await migration.postgres.query(
      `SELECT visits FROM ${migration.name}.q_values WHERE agent_id = 'together'`,
    );
    assert.deepEqual(
      rows.map(({ visits }) => Number(visits)),
      [4],
    );
  });

  it('are not given up by `capture uninstall` while the outbox holds one', async () => {
    await client.hset(`${migration.name}:q:last`, 's|1', '{"value":1,"visits":1}');
    const refused = await migration.cli('capture', 'uninstall', 'redis');
    assert.equal(refused.code, 12, refused.stderr);
    assert.match(refused.stderr, /outbox of legacy\.redis holds 1 entry/);
    assert.equal((await migration.cli('relay', '--stores', 'redis', '--until-empty')).code, 0);
    assert.equal((await migration.cli('capture', 'uninstall', 'redis')).code, 0);
    assert.equal((await migration.cli('capture', 'status', 'redis')).code, 8);
  });

  it('that went uncaptured are told, until a validation of all kinds of the store found every follower equal', async () => {
    const lostKey = `${migration.name}:changeover:outbox:lost`;
    await migration.cli('capture', 'install', 'redis');
    const lostUs = String(Date.now() * 1_000 - 60_000_000);
    await migration.redis.hset(lostKey, 'first', lostUs, 'last', lostUs);
    const lost = await migration.cli('capture', 'status', 'redis');
    assert.equal(lost.code, 9, lost.stdout);
    assert.match(lost.stdout, /SINCE 20\d\d-/);
    await migration.cli('backfill', '--restart', '--kinds', 'q-value,policy,experience');
    await migration.cli('run', '--until-caught-up');
    const part = await migration.cli('validate', '--kinds', 'q-value');
    assert.equal(part.code, 0, part.stdout);
    assert.equal((await migration.cli('capture', 'status', 'redis')).code, 9, 'not all kinds were compared');
    const whole = await migration.cli('validate', '--kinds', 'q-value,policy,experience');
    assert.equal(whole.code, 0, whole.stdout);
    assert.match(whole.stderr, /legacy\.redis: the writes that went uncaptured are made good/);
    assert.equal((await migration.cli('capture', 'status', 'redis')).code, 0);
  });
});
