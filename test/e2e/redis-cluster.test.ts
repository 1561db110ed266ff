import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from 'ioredis';
import { parse, stringify } from 'yaml';
import { type Embedded, openEmbedded } from '../../cli/embedded.ts';
import { experienceText } from '../connectors/redis-support.ts';
import { type CommandResult, cli, startCli } from '../support/cli.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';

const AGENTS = 40;
const ROUNDS = 5;

describe('an application whose RL state is in a Redis Cluster', () => {
  let migration: Migration;
  let cluster: RedisCluster;
  let bare: Cluster;
  let configFile: string;
  let changeover: Embedded | undefined;
  before(async () => {
    [migration, cluster] = await Promise.all([openMigration(), startRedisCluster()]);
    bare = cluster.client();
    const config = parse(readFileSync(migration.configFile, 'utf8'));
    const { url: _url, password: _password, ...redis } = config.legacy.redis;
    config.legacy = { redis: { ...redis, cluster: cluster.seeds } };
    config.target = { postgres: config.target.postgres };
    config.origins = { experience: 'redis', 'q-value': 'redis', policy: 'redis' };
    configFile = join(migration.folder, 'cluster.yaml');
    await writeFile(configFile, stringify(config), { mode: 0o600 });
  });
  after(async () => {
    bare.disconnect();
    await changeover?.close();
    await cluster.stop();
    await migration.close();
  });

  const command = (...args: readonly string[]): Promise<CommandResult> =>
    cli(['--config', configFile, ...args]);

  const succeed = async (...args: readonly string[]): Promise<void> => {
    const { code, stdout, stderr } = await command(...args);
    assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
  };

  it('has every write of it in the target, over all slots, when a relay was killed in between', async () => {
    await succeed('capture', 'install');
    changeover = await openEmbedded({ config: configFile, env: {} });
    const redis = changeover.intercept(bare);
    const relay = startCli(['--config', configFile, 'relay']);
    await relay.said('is relayed');
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(
        Array.from({ length: AGENTS }, (_, number) => write(redis, migration.name, `a${number}`, round)),
      );
      if (round === 2) relay.child.kill('SIGKILL');
    }
    // The claim of the one that was killed has to run out first.
    await succeed('relay', '--until-empty');
    await succeed('run', '--until-caught-up');
    const { postgres, name } = migration;
    const count = async (table: string) =>
      Number((await postgres.query(`SELECT count(*) FROM ${name}.${table}`)).rows[0]?.count);
    assert.deepEqual(
      [await count('q_values'), await count('policies'), await count('experiences')],
      [AGENTS, AGENTS, AGENTS * 3],
    );
    const { rows } = await postgres.query(`SELECT DISTINCT value FROM ${name}.q_values`);
    assert.deepEqual(rows, [{ value: ROUNDS - 1 }]);
    await succeed('validate');
  });

  it('sees a write in the target while relay and follower run', async () => {
    const redis = changeover?.intercept(bare);
    assert.ok(redis);
    const running = startCli(['--config', configFile, 'run', '--relay']);
    try {
      await redis.hset(`${migration.name}:q:late`, 's|1', JSON.stringify({ value: 0.5, visits: 1 }));
      const { postgres, name } = migration;
      const find = () => postgres.query(`SELECT value FROM ${name}.q_values WHERE agent_id = 'late'`);
      for (let tries = 0; (await find()).rows.length === 0; tries++) {
        assert.ok(tries < 300, 'it did not arrive within 30 s');
        await sleep(100);
      }
    } finally {
      running.child.kill('SIGTERM');
      assert.equal((await running.result).code, 0);
    }
  });
});

/** One agent's Q-value, policy and experiences; of the experiences the three newest stay. */
async function write(redis: Cluster, name: string, agent: string, round: number): Promise<void> {
  await redis.hset(`${name}:q:${agent}`, 's|1', JSON.stringify({ value: round, visits: round + 1 }));
  await redis.set(`${name}:policy:${agent}`, JSON.stringify({ algorithm: 'q', parameters: { round } }));
  const chain = redis.pipeline();
  chain.rpush(`${name}:exp:${agent}`, experienceText(`${agent} ${round}`, 1_700_000_000_000 + round));
  chain.ltrim(`${name}:exp:${agent}`, -3, -1);
  for (const [error] of (await chain.exec()) ?? []) assert.equal(error, null);
}
