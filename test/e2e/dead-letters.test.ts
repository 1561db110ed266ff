import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { parse, stringify } from 'yaml';
import type { Change } from '../../schemas/change.ts';
import { upsert } from '../support/changes.ts';
import { cli, startCli } from '../support/cli.ts';
import { sampleEntity, unitVector } from '../support/entities.ts';
import { withKafkaLog } from '../support/kafka-log.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { testStack } from '../support/stack.ts';

const agent = (name: string, version: number, variant = version): Change =>
  upsert('agent', sampleEntity('agent', { name, variant }), version);

interface Listed {
  readonly id: string;
  readonly key: string;
  readonly class: string;
  readonly state: string;
}

interface Shown {
  readonly record: { readonly from: string };
  readonly change?: { readonly version: number };
  readonly hex?: string;
  readonly unreadable?: string;
}

describe('what a target store refuses for good', { concurrency: false }, () => {
  let migration: Migration;
  const [broker = ''] = testStack().kafka.brokers;
  const { brokers } = testStack().kafka;
  before(async () => {
    migration = await openMigration();
  });
  after(async () => {
    await migration.close();
    await dropTopics(broker, `${migration.name}.`);
  });

  const run = () => migration.cli('run', '--stores', 'postgres', '--until-caught-up');
  const letters = (...args: readonly string[]) => migration.cli('dead-letters', ...args);
  const listed = async (...args: readonly string[]): Promise<readonly Listed[]> => {
    const { stdout } = await letters('list', '--json', ...args);
    return jsonLines<Listed>(stdout);
  };
  const ages = async (): Promise<ReadonlyMap<string, number>> => {
    const { rows } = await migration.postgres.query<{ id: string; version: string }>(
      `SELECT id, version FROM ${pg.escapeIdentifier(migration.name)}.agents_held ORDER BY id`,
    );
    return new Map(rows.map(({ id, version }) => [id, Number(version)]));
  };

  const publish = (changes: readonly Change[]): Promise<void> =>
    withKafkaLog(migration.name, { brokers, partitions: 4 }, async (log) => {
      await (await log.publisher()).publish(changes);
    });

  async function publishRaw(topic: string, key: string, value: Buffer): Promise<void> {
    const producer = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).producer();
    await producer.connect();
    await producer.send({ topic: `${migration.name}.${topic}`, messages: [{ key, value }] });
    await producer.disconnect();
  }

  it('is recorded while the rest is applied; the command ends with 3 and says where to look', async () => {
    const prepared = await run();
    assert.equal(prepared.code, 0, prepared.stderr);
    // What an operator adds to a table: a row that it excludes is refused by the server itself.
    await migration.postgres.query(
      `ALTER TABLE ${pg.escapeIdentifier(migration.name)}.agents_held ADD CONSTRAINT no_odd_ones CHECK (id NOT LIKE 'odd%' OR version < 10)`,
    );
    const many = Array.from({ length: 1_000 }, (_, index) => agent(`agent ${index}`, 20));
    await publish([...many.slice(0, 500), agent('odd 1', 5), agent('odd 1', 20), ...many.slice(500)]);
    await publish([agent('odd 2', 21), agent('odd 3', 22)]);
    await publishRaw('agents', 'strange', Buffer.from('no change at all'));

    const { code, stdout, stderr } = await run();
    assert.equal(code, 3, stderr);
    assert.match(stderr, /Changes were refused for good: target\.postgres 4/);
    assert.match(stderr, /changeover dead-letters list/);
    assert.match(stdout, /1,005 changes received, 1,001 applied, 0 stale, 4 refused/);
    const held = await ages();
    assert.equal(held.size, 1_001);
    assert.equal(held.get('odd 1'), 5);
    // They are dealt with: nothing is left for the next run.
    assert.equal((await run()).code, 0);
  });

  it('is listed with place and reason, and filtered', async () => {
    const all = await listed();
    assert.deepEqual(all.map(({ key }) => key).sort(), ['odd 1', 'odd 2', 'odd 3', 'strange']);
    for (const { id } of all) assert.match(id, /^postgres\/agent\/[0-3]\/\d+$/);
    assert.deepEqual(
      (await listed('--class', 'unreadable')).map(({ key }) => key),
      ['strange'],
    );
    assert.equal((await listed('--store', 'postgres', '--kind', 'agent', '--since', '1h')).length, 4);
    assert.equal((await listed('--store', 'neo4j')).length, 0);
    assert.equal((await listed('--since', '2200-01-01T00:00:00Z')).length, 0);
    const { stdout, code } = await letters('list');
    assert.equal(code, 0);
    assert.match(stdout, /odd 2 .*rejected .*open .*no_odd_ones/);
  });

  it('is shown with its record, read from the log again', async () => {
    const all = await listed();
    const idOf = (key: string): string => all.find((each) => each.key === key)?.id ?? '';
    const { stdout, code, stderr } = await letters('show', '--json', idOf('odd 2'), idOf('strange'));
    assert.equal(code, 0, stderr);
    const [odd, strange] = jsonLines<Shown>(stdout);
    assert.equal(odd?.record.from, 'the log');
    assert.equal(odd?.change?.version, 21);
    assert.equal(strange?.hex, Buffer.from('no change at all').toString('hex'));
    assert.match(String(strange?.unreadable), /single-object marker/);
    assert.match((await letters('show', idOf('odd 2'))).stdout, /reason: .*no_odd_ones/);
  });

  it('is refused still where nothing was mended, and a dry run says what each would change', async () => {
    await publish([agent('odd 3', 9)]);
    assert.equal((await run()).code, 0);
    const dry = await letters('redrive', '--all', '--dry-run', '--json');
    assert.equal(dry.code, 3, 'one can never be read');
    const previews = jsonLines<{
      key: string;
      outcome: string;
      held: number;
      offered: number;
      changes: string[];
    }>(dry.stdout);
    const told = Object.fromEntries(
      previews.map(({ key, outcome, held, offered, changes }) => [key, [outcome, held, offered, changes]]),
    );
    assert.deepEqual(told, {
      'odd 1': ['applied', 5, 20, ['type', 'attributes.variant']],
      'odd 2': ['applied', null, 21, ['created']],
      'odd 3': ['applied', 9, 22, ['type', 'active', 'attributes.variant']],
      strange: ['refused', null, null, []],
    });
    assert.equal((await ages()).get('odd 1'), 5);
    const { code, stderr, stdout } = await letters('redrive', '--class', 'rejected');
    assert.equal(code, 3, stderr);
    assert.match(stdout, /odd 2 .*still refused .*no_odd_ones/);
    assert.match(stderr, /3 dead letters stay open/);
    assert.equal((await listed()).length, 4);
  });

  it('is applied by a redrive when the cause is mended, and never over what is newer', async () => {
    await migration.postgres.query(
      `ALTER TABLE ${pg.escapeIdentifier(migration.name)}.agents_held DROP CONSTRAINT no_odd_ones`,
    );
    await publish([agent('odd 3', 30)]);
    assert.equal((await run()).code, 0);
    const all = await listed();
    const ids = all.filter((each) => each.class === 'rejected').map(({ id }) => id);
    const { code, stdout, stderr } = await letters('redrive', '--json', ...ids.toReversed());
    assert.equal(code, 0, stderr);
    const outcomes = jsonLines<{ key: string; outcome: string }>(stdout).map(({ key, outcome }) => [
      key,
      outcome,
    ]);
    assert.deepEqual(Object.fromEntries(outcomes), {
      'odd 1': 'applied',
      'odd 2': 'applied',
      'odd 3': 'stale',
    });
    const held = await ages();
    assert.deepEqual([held.get('odd 1'), held.get('odd 2'), held.get('odd 3')], [20, 21, 30]);
    assert.deepEqual(
      (await listed()).map(({ key }) => key),
      ['strange'],
    );
  });

  it('is dropped with a reason, which stays to be seen', async () => {
    const dry = await letters('drop', '--all', '--reason', 'a test', '--dry-run');
    assert.equal(dry.code, 0, dry.stderr);
    assert.equal((await listed()).length, 1);
    const { code, stderr } = await letters('drop', '--class', 'unreadable', '--reason', 'a stray producer');
    assert.equal(code, 0, stderr);
    assert.equal((await listed()).length, 0);
    const { stdout } = await letters('list', '--all');
    assert.match(stdout, /strange .*dropped .*a stray producer/);
    assert.equal((await listed('--all')).length, 4);
  });

  it('stops the store where that is configured', async () => {
    await publishRaw('agents', 'strange again', Buffer.from('no change either'));
    const args = ['--config', migration.configFile, 'run', '--stores', 'postgres', '--until-caught-up'];
    const { code, stderr } = await cli(args, { CHANGEOVER_DEAD_LETTERS_MODE: 'stop' });
    assert.equal(code, 11, stderr);
    assert.match(stderr, /strange again/);
    assert.equal((await listed()).length, 0);
  });

  it('is one letter each after kill -9 in the middle of them, and nothing else is missing', async () => {
    await letters('drop', '--all', '--reason', 'so that none are open');
    const table = `${pg.escapeIdentifier(migration.name)}.agents_held`;
    await migration.postgres.query(
      `ALTER TABLE ${table} ADD CONSTRAINT no_bad_ones CHECK (id NOT LIKE 'bad%')`,
    );
    const before = (await ages()).size;
    const changes = Array.from({ length: 2_000 }, (_, index) =>
      agent(`${index % 7 === 0 ? 'bad' : 'good'} ${index}`, 50),
    );
    await publish(changes);
    const bad = changes.filter(({ key }) => key.startsWith('bad')).map(({ key }) => key);
    const env = { CHANGEOVER_RUN_MAX_BATCH_CHANGES: '20' };
    const args = ['--config', migration.configFile, 'run', '--stores', 'postgres'];
    for (let kills = 0; kills < 2; kills++) {
      const reached = before + 300 * (kills + 1);
      const { child, result } = startCli(args, env);
      while ((await ages()).size < reached) assert.equal(child.exitCode, null);
      child.kill('SIGKILL');
      await result;
    }
    // What was stopped at before is recorded by now.
    assert.equal((await run()).code, 3);
    const recorded = (await listed()).map(({ key }) => key);
    assert.deepEqual(recorded.toSorted(), [...bad, 'strange again'].sort());
    assert.equal((await ages()).size, before + changes.length - bad.length);
    await migration.postgres.query(`ALTER TABLE ${table} DROP CONSTRAINT no_bad_ones`);
    const redriven = await letters('redrive', '--class', 'rejected');
    assert.equal(redriven.code, 0, redriven.stderr);
    assert.equal((await ages()).size, before + changes.length);
  });

  it('is not redriven into Milvus while somebody else writes there: it has no conditional write', async () => {
    const embedding = sampleEntity('embedding', { name: 'first' });
    const longer = { ...embedding, id: 'longer', dimension: 16, vector: unitVector(1, 16) };
    await publish([upsert('embedding', embedding, 1), upsert('embedding', longer, 2)]);
    const running = migration.start('run', '--stores', 'milvus');
    await running.said('follows embedding');
    for (let tries = 0; (await listed('--store', 'milvus')).length === 0; tries++) assert.ok(tries < 30);
    const refused = await letters('redrive', '--store', 'milvus');
    assert.equal(refused.code, 12, refused.stderr);
    assert.match(refused.stderr, /one writer at a time: stop `changeover run`/);
    running.child.kill('SIGTERM');
    await running.result;
    const { code, stderr } = await letters('redrive', '--store', 'milvus');
    assert.equal(code, 3, stderr);
    assert.match(stderr, /dimension/);
    await letters('drop', '--store', 'milvus', '--reason', 'another space');
  });

  it('of a store that is configured no more is listed and dropped by its name, and not redriven', async () => {
    const prepared = await run();
    assert.equal(prepared.code, 0, prepared.stderr);
    await publishRaw('agents', 'without a store', Buffer.from('no change'));
    const refused = await run();
    assert.equal(refused.code, 3, refused.stderr);
    const configured = await readFile(migration.configFile, 'utf8');
    const config = parse(configured);
    delete config.target.postgres;
    await writeFile(migration.configFile, stringify(config), { mode: 0o600 });
    try {
      const letter = (await listed('--store', 'postgres')).find(({ key }) => key === 'without a store');
      assert.ok(letter);
      assert.equal((await letters('show', letter.id)).code, 0);
      for (const choice of [['--store', 'target.postgres'], [letter.id], ['--all']]) {
        const { code, stderr } = await letters('redrive', ...choice);
        assert.equal(code, 2, stderr);
        assert.match(stderr, /a store that is not configured: target\.postgres \(\d+ dead letter/);
        assert.match(stderr, /dead-letters drop/);
      }
      for (const command of [['list'], ['redrive'], ['drop', '--reason', 'gone']]) {
        const { code, stderr } = await letters(...command, '--store', 'postgers');
        assert.equal(code, 2, stderr);
        assert.match(stderr, /There is no target store postgers; configured are/);
      }
      const dropped = await letters('drop', '--store', 'postgres', '--reason', 'the store is gone');
      assert.equal(dropped.code, 0, dropped.stderr);
      assert.match(dropped.stderr, /dead letters? dropped/);
      assert.deepEqual(await listed('--store', 'postgres'), []);
    } finally {
      await writeFile(migration.configFile, configured, { mode: 0o600 });
    }
  });

  it('is refused a word that names nothing: exit code 2', async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['show', 'postgres/agent/0/999999'], /There is no dead letter postgres\/agent\/0\/999999/],
      [['redrive', 'nonsense'], /An id is store\/kind\/partition\/offset/],
      [['redrive'], /Which dead letters\?/],
      [['drop', '--all'], /--reason/],
      [['redrive', '--all', 'postgres/agent/0/0'], /not by both/],
      [['list', '--since', 'yesterday'], /It must be like/],
      [['list', '--class', 'odd'], /Allowed choices are unreadable, rejected/],
    ];
    for (const [args, words] of cases) {
      const { code, stderr } = await letters(...args);
      assert.match(stderr, words);
      assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
      assert.doesNotMatch(stderr, /\n\s+at /, 'no stack trace');
    }
  });
});

function jsonLines<T>(text: string): readonly T[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}
