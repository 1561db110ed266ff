import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import { parse, stringify } from 'yaml';
import { type CommandResult, cli } from '../support/cli.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { testStack } from '../support/stack.ts';

/** The example writes under the default keys, so it gets a database of its own. */
const DATABASE = 9;

describe('the example of live capture', () => {
  let migration: Migration;
  let redis: Redis;
  let configFile: string;
  before(async () => {
    migration = await openMigration();
    const stack = testStack();
    redis = new Redis({
      host: stack.redis.host,
      port: stack.redis.port,
      password: stack.redis.password,
      db: DATABASE,
    });
    await redis.flushdb();
    const config = parse(readFileSync(migration.configFile, 'utf8'));
    config.legacy.redis = {
      url: `redis://${stack.redis.host}:${stack.redis.port}/${DATABASE}`,
      password: stack.redis.password,
    };
    config.legacy.dictionary.create = true;
    delete config.legacy.neo4j;
    delete config.target.milvus;
    config.origins.embedding = 'none';
    configFile = join(migration.folder, 'example.yaml');
    await writeFile(configFile, stringify(config), { mode: 0o600 });
  });
  after(async () => {
    await redis.flushdb();
    redis.disconnect();
    await migration.close();
  });

  const command = (...args: readonly string[]): Promise<CommandResult> =>
    cli(['--config', configFile, ...args]);

  it('writes in three ways, and every target store has all of it', async () => {
    const install = await command('capture', 'install');
    assert.equal(install.code, 0, install.stderr);
    const example = await runExample(configFile);
    assert.equal(example.code, 0, example.stderr);
    assert.match(example.stdout, /written, written/);
    const relay = await command('relay', '--until-empty');
    assert.equal(relay.code, 0, relay.stderr);
    const run = await command('run', '--until-caught-up');
    assert.equal(run.code, 0, run.stderr);
    const { postgres, name } = migration;
    const rows = async (query: string) => (await postgres.query(query)).rows;
    assert.deepEqual(await rows(`SELECT id, attributes->>'age' AS age FROM ${name}.agents ORDER BY id`), [
      { id: 'ada', age: null },
      { id: 'bob', age: '42' },
    ]);
    assert.deepEqual(await rows(`SELECT state, value FROM ${name}.q_values ORDER BY state`), [
      { state: 'garden', value: 1 / 3 },
      { state: 'hall', value: 0.75 },
    ]);
    const { records } = await migration.neo4j.executeQuery(
      `MATCH (a:\`${migration.labels.agent}\`) WHERE a.id = 'ada' RETURN COUNT { (a)-[:KNOWS]->() } AS ties`,
    );
    assert.equal(Number(records[0]?.get('ties')), 0);
    const validate = await command('validate');
    assert.equal(validate.code, 0, validate.stdout);
  });
});

function runExample(configFile: string): Promise<CommandResult> {
  const { host, port, password } = testStack().redis;
  const child = spawn(process.execPath, ['docs/examples/capture.ts', configFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, redisUrl: `redis://${host}:${port}/${DATABASE}`, redisPassword: password },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text: Buffer) => {
    stdout += text.toString();
  });
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}
