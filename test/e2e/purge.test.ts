import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { intercept, redisMapping } from '../../connectors/redis/intercept/intercept.ts';
import type { Change } from '../../schemas/change.ts';
import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import { removal, upsert } from '../support/changes.ts';
import { cli } from '../support/cli.ts';
import { sampleEntity } from '../support/entities.ts';
import { withKafkaLog } from '../support/kafka-log.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { reconfigure } from '../support/reconfigure.ts';
import { testStack } from '../support/stack.ts';

/** Deletes of two years ago: older than any retention that a test asks for. */
const OLD = (Date.now() - 730 * 86_400_000) * 1_000;
/** Everything in the log of a test is younger than that, and by more than the margin. */
const ENOUGH = ['--retention', '1h'] as const;
/** Within the margin of what has just been published. */
const TOO_SHORT = ['--retention', '5m'] as const;
/** No longer than what is under way may take, and a second. */
const SHORT = ['--retention', '601s'] as const;

const agent = (id: string, version: number): Change =>
  upsert('agent', { ...sampleEntity('agent', { name: id }), id }, version);
const gone = (id: string, version: number): Change => removal('agent', id, version);

interface Counted {
  readonly store: string;
  readonly kind: string;
  readonly all: number;
  readonly older: number;
  readonly removed: number;
}

describe('`changeover purge`', { concurrency: false }, () => {
  let migration: Migration;
  const { brokers } = testStack().kafka;
  before(async () => {
    migration = await openMigration();
    await migration.load(openGeneratedSociety({ agents: 300, seed: 4, learners: 0.1 }));
    const prepared = await run();
    assert.equal(prepared.code, 0, prepared.stderr);
  });
  after(async () => {
    await migration.close();
    await dropTopics(brokers[0] ?? '', `${migration.name}.`);
  });

  const run = (stores = 'postgres') => migration.cli('run', '--stores', stores, '--until-caught-up');
  const purge = (...args: readonly string[]) =>
    migration.cli('purge', 'tombstones', '--store', 'postgres', ...args);
  const table = () => `${pg.escapeIdentifier(migration.name)}.agents_held`;
  const rows = async (where: string): Promise<readonly string[]> => {
    const { rows } = await migration.postgres.query<{ id: string }>(
      `SELECT id FROM ${table()} WHERE ${where} ORDER BY id`,
    );
    return rows.map(({ id }) => id);
  };
  const tombstones = () => rows('deleted');

  const publish = (changes: readonly Change[]): Promise<void> =>
    withKafkaLog(migration.name, { brokers, partitions: 4 }, async (log) => {
      await (await log.publisher()).publish(changes);
    });

  it('forgets the deletes from before the retention, and says beforehand how many', async () => {
    await publish([
      agent('alive', OLD),
      gone('old 1', OLD),
      gone('old 2', OLD + 1),
      gone('young', Date.now() * 1_000),
    ]);
    assert.equal((await run()).code, 0);
    const dry = await purge(...ENOUGH, '--dry-run', '--json');
    assert.equal(dry.code, 0, dry.stderr);
    const told = JSON.parse(dry.stdout);
    assert.deepEqual(told.forbidden, []);
    assert.deepEqual(
      told.tombstones.map(({ kind, all, older, removed }: Counted) => [kind, all, older, removed]),
      [
        ['agent', 3, 2, 0],
        ['experience', 0, 0, 0],
        ['q-value', 0, 0, 0],
        ['policy', 0, 0, 0],
      ],
    );
    assert.deepEqual(await tombstones(), ['old 1', 'old 2', 'young']);

    const { code, stdout, stderr } = await purge(...ENOUGH);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^target\.postgres +agent +3 +2 +2$/m);
    assert.match(stderr, /2 of 2 old tombstones removed/);
    assert.deepEqual(await tombstones(), ['young']);
    assert.deepEqual(await rows('NOT deleted'), ['alive']);
  });

  it('refuses a retention that is shorter than the log reaches back: a replay would bring back what was deleted', async () => {
    await publish([agent('replayed', OLD), gone('replayed', OLD + 5)]);
    assert.equal((await run()).code, 0);
    const { code, stdout, stderr } = await purge(...TOO_SHORT);
    assert.equal(code, 12, stderr);
    assert.equal(stdout, '');
    assert.match(
      stderr,
      /target\.postgres: tombstones that are older than 5 min 0 s may still be needed: .*\.agents holds changes that a replay/,
    );
    assert.match(stderr, /Ask for a longer retention: --retention \d\dm\./);
    assert.match(stderr, /Nothing was removed/);
    assert.deepEqual(await tombstones(), ['replayed', 'young']);
    const dry = await purge(...TOO_SHORT, '--dry-run', '--json');
    assert.equal(dry.code, 12, 'a dry run says the same');
    const told = JSON.parse(dry.stdout);
    assert.equal(told.tombstones[0].older, 1);
    assert.equal(told.forbidden[0].part, 'replay');
    // Who promises not to replay it, or all of it together, is taken at his word.
    const promised = await purge(...SHORT, '--no-replay');
    assert.equal(promised.code, 0, promised.stderr);
    assert.deepEqual(await tombstones(), ['young']);
  });

  it('refuses while the store has yet to apply changes that are older', async () => {
    await publish([gone('waited for', OLD + 5)]);
    assert.equal((await run()).code, 0);
    await publish([agent('waited for', OLD)]);
    const refused = await purge(...TOO_SHORT, '--no-replay');
    assert.equal(refused.code, 12, refused.stderr);
    assert.match(refused.stderr, /\.agents holds changes that target\.postgres has yet to apply/);
    assert.match(refused.stderr, /Let `changeover run` catch up/);
    // What the tombstone is there for.
    assert.equal((await run()).code, 0);
    assert.deepEqual(await rows("id = 'waited for' AND NOT deleted"), []);
    assert.equal((await purge(...SHORT, '--no-replay')).code, 0);
    assert.deepEqual(await rows("id = 'waited for'"), []);
  });

  it('refuses while a dead letter could bring an entity back, whatever the retention, and only for such a one', async () => {
    await migration.postgres.query(
      `ALTER TABLE ${table()} ADD CONSTRAINT no_odd_ones CHECK (deleted OR id NOT LIKE 'odd%')`,
    );
    await publish([agent('odd 1', OLD), agent('odd 2', OLD)]);
    assert.equal((await run()).code, 3);
    await publish([gone('odd 1', OLD + 5)]);
    assert.equal((await run()).code, 0);
    await migration.postgres.query(`ALTER TABLE ${table()} DROP CONSTRAINT no_odd_ones`);
    const refused = await purge(...ENOUGH);
    assert.equal(refused.code, 12, refused.stderr);
    assert.match(
      refused.stderr,
      /1 dead letter could bring back what was deleted, the first is postgres\/agent\/\d\/\d+/,
    );
    assert.match(refused.stderr, /Redrive those dead letters, or drop them/);
    assert.deepEqual(await rows("id = 'odd 1' AND deleted"), ['odd 1']);
    const redriven = await migration.cli('dead-letters', 'redrive', '--all');
    assert.equal(redriven.code, 0, redriven.stderr);
    assert.deepEqual(await rows("id LIKE 'odd%' AND NOT deleted"), ['odd 2']);
    assert.equal((await purge(...ENOUGH)).code, 0);
    assert.deepEqual(await rows("id = 'odd 1'"), []);
  });

  it('refuses while an outbox holds what was captured before', async () => {
    const installed = await migration.cli('capture', 'install', 'redis');
    assert.equal(installed.code, 0, installed.stderr);
    const client = intercept(
      migration.redis.duplicate(),
      redisMapping({
        keys: {
          agent: `${migration.name}:agent:{id}`,
          qValues: `${migration.name}:q:{id}`,
          policy: `${migration.name}:policy:{id}`,
          namedPolicies: `${migration.name}:policies:{id}`,
          experiences: `${migration.name}:exp:{id}`,
        },
        bookkeepingPrefix: `${migration.name}:changeover:`,
        writer: 'e2e',
      }),
    );
    await client.hset(`${migration.name}:q:learner`, 's|1', JSON.stringify({ value: 0.5, visits: 1 }));
    client.disconnect();
    const refused = await purge(...TOO_SHORT, '--no-replay');
    assert.equal(refused.code, 12, refused.stderr);
    assert.match(refused.stderr, /the outbox of legacy\.redis holds 1 entry/);
    assert.match(refused.stderr, /changeover relay --until-empty/);
    const relayed = await migration.cli('relay', '--stores', 'redis', '--until-empty');
    assert.equal(relayed.code, 0, relayed.stderr);
    assert.equal((await run()).code, 0);
    assert.equal((await purge(...SHORT, '--no-replay')).code, 0);
  });

  it('refuses while a backfill is under way, which may have read what was deleted since', async () => {
    const backfill = migration.start('backfill', '--kinds', 'agent', '--rate', '20', '--batch-size', '10');
    for (let tries = 0; (await run()).code === 0 && (await rows('version = 1')).length === 0; tries++) {
      assert.ok(tries < 20);
    }
    backfill.child.kill('SIGKILL');
    await backfill.result;
    const refused = await purge(...TOO_SHORT, '--no-replay');
    assert.equal(refused.code, 12, refused.stderr);
    assert.match(
      refused.stderr,
      /backfill 1, which may have read what was deleted since it began, has not finished/,
    );
    const finished = await migration.cli('backfill', '--kinds', 'agent');
    assert.equal(finished.code, 0, finished.stderr);
    // What it has published under a label that says nothing of when it was read counts until it is applied.
    const waiting = await purge(...TOO_SHORT, '--no-replay');
    assert.equal(waiting.code, 12, waiting.stderr);
    assert.match(waiting.stderr, /backfill 1, .*, has changes among those/);
    assert.equal((await run()).code, 0);
    const allowed = await purge(...SHORT, '--no-replay');
    assert.equal(allowed.code, 0, allowed.stderr);
  });

  it('goes on after kill -9 in the middle, and after Ctrl-C says how far it came', async () => {
    await migration.postgres.query(
      `INSERT INTO ${table()} (id, version, deleted)
       SELECT 'many ' || n, CASE n % 10 WHEN 0 THEN $1::bigint ELSE $2::bigint END, true FROM generate_series(1, 60000) AS n`,
      [Date.now() * 1_000, OLD],
    );
    const many = async (): Promise<number> => (await rows("id LIKE 'many %'")).length;
    for (const [signal, code] of [
      ['SIGKILL', null],
      ['SIGTERM', 130],
    ] as const) {
      const before = await many();
      const { child, result } = migration.start('purge', 'tombstones', '--store', 'postgres', ...ENOUGH);
      while ((await many()) === before) {
        assert.equal(child.exitCode, null);
        await sleep(20);
      }
      child.kill(signal);
      const ended = await result;
      assert.equal(ended.code, code);
      if (code !== null) {
        const [, told] = /^target\.postgres +agent .* ([\d,]+)$/m.exec(ended.stdout) ?? [];
        assert.equal(Number(told?.replaceAll(',', '')), before - (await many()), ended.stdout);
      }
      assert.ok((await many()) > 6_000, 'it was done before it was stopped');
    }
    const { code, stderr } = await purge(...ENOUGH);
    assert.equal(code, 0, stderr);
    assert.equal(await many(), 6_000);
    assert.equal((await rows(`id LIKE 'many %' AND version = ${OLD}`)).length, 0);
  });

  it('does not touch Milvus while somebody else writes there: it deletes by id, whatever stands under it', async () => {
    await publish([removal('embedding', 'buried', OLD)]);
    const running = migration.start('run', '--stores', 'milvus');
    await running.said('follows embedding');
    const refused = await migration.cli('purge', 'tombstones', '--store', 'milvus', ...ENOUGH);
    assert.equal(refused.code, 12, refused.stderr);
    assert.match(refused.stderr, /one writer at a time: stop `changeover run`/);
    for (let tries = 0; tries < 30; tries++) {
      const lag = await migration.cli('lag', '--store', 'milvus', '--json');
      if (JSON.parse(lag.stdout).groups[0].records === 0) break;
    }
    running.child.kill('SIGTERM');
    await running.result;
    const { code, stdout, stderr } = await migration.cli(
      'purge',
      'tombstones',
      '--store',
      'milvus',
      ...ENOUGH,
      '--json',
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout).tombstones, [
      { store: 'target.milvus', kind: 'embedding', all: 1, older: 1, removed: 1 },
    ]);
  });

  it('removes idle stubs, and says whose agents have not come', async () => {
    const tie = {
      source: 'never came',
      target: 'alive',
      type: 'KNOWS',
      strength: 1,
      since: null,
      properties: {},
    };
    await publish([upsert('relationship', tie, OLD)]);
    assert.equal((await run('neo4j')).code, 0);
    const label = migration.labels.agent;
    const graph = (text: string) => migration.neo4j.executeQuery(text);
    await graph(`CREATE (:${label}:ChangeoverStub_${label} {id: 'left by a crash'})`);
    const dry = await migration.cli('purge', 'stubs', '--dry-run', '--json');
    assert.equal(dry.code, 0, dry.stderr);
    const [told] = JSON.parse(dry.stdout).stubs;
    assert.deepEqual([told.store, told.idle, told.awaited, told.removed], ['target.neo4j', 1, 1, 0]);
    assert.deepEqual(told.examples, ['never came']);
    const { code, stdout, stderr } = await migration.cli('purge', 'stubs');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /target\.neo4j: 1 idle stub, 1 removed/);
    assert.match(stdout, /1 stub with relationships whose agent has not come: never came/);
    const { records } = await graph(
      `MATCH (n:${label}) WHERE n.id IN ['left by a crash', 'never came'] RETURN n.id AS id`,
    );
    assert.deepEqual(
      records.map((record) => record.get('id')),
      ['never came'],
    );
  });

  it('answers a question that makes no sense with exit code 2, and one that a store cannot be asked with 8', async () => {
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [['tombstones'], 2, /--retention/],
      [['tombstones', '--retention', '30'], 2, /It must be like 30d/],
      [['tombstones', '--retention', '0d'], 2, /It must be like 30d/],
      [['tombstones', '--retention', '999999999d'], 2, /It must be like 30d/],
      [['tombstones', '--retention', '-5d'], 2, /It must be like 30d/],
      [['tombstones', ...ENOUGH, '--store', 'nowhere'], 2, /There is no target store nowhere/],
      [['tombstones', ...ENOUGH, '--store', 'legacy.milvus'], 2, /legacy store milvus/],
      [['stubs', '--store', 'postgres'], 8, /target\.postgres has no stubs/],
    ];
    for (const [args, expected, words] of cases) {
      const { code, stderr } = await migration.cli('purge', ...args);
      assert.match(stderr, words);
      assert.equal(code, expected, `${args.join(' ')}: ${stderr}`);
      assert.doesNotMatch(stderr, /\n\s+at /, 'no stack trace');
    }
  });

  it('looks at an origin when it is asked to', async () => {
    await migration.redis.hset(`${migration.name}:changeover:versions:q-value`, {
      '["a","s",1]': `-${OLD}`,
      '["a","s",2]': `${OLD}`,
    });
    const { code, stdout, stderr } = await migration.cli(
      'purge',
      'tombstones',
      '--store',
      'legacy.redis',
      ...ENOUGH,
      '--json',
    );
    assert.equal(code, 0, stderr);
    const counted = JSON.parse(stdout).tombstones.find(({ kind }: Counted) => kind === 'q-value');
    assert.deepEqual([counted.older, counted.removed], [1, 1]);
    const left = await migration.redis.hkeys(`${migration.name}:changeover:versions:q-value`);
    assert.ok(left.includes('["a","s",2]') && !left.includes('["a","s",1]'));
  });

  it('makes nothing in an origin: no constraint, no index, no mark', async () => {
    const labels = [migration.labels.legacyAgent, migration.labels.memory];
    const made = async (): Promise<readonly string[]> => {
      const found = await Promise.all([
        migration.neo4j.executeQuery(
          'SHOW CONSTRAINTS YIELD name, labelsOrTypes RETURN name, labelsOrTypes AS of',
        ),
        migration.neo4j.executeQuery(
          'SHOW INDEXES YIELD name, labelsOrTypes RETURN name, labelsOrTypes AS of',
        ),
        migration.neo4j.executeQuery('MATCH (m:ChangeoverMark) RETURN "mark" AS name, [m.label] AS of'),
      ]);
      return found
        .flatMap(({ records }) => records)
        .filter((record) =>
          (record.get('of') ?? []).some((label: string) => labels.some((own) => label.includes(own))),
        )
        .map((record): string => record.get('name'));
    };
    const before = await made();
    for (const what of [['tombstones', ...ENOUGH], ['stubs']]) {
      const { code, stderr } = await migration.cli('purge', ...what, '--store', 'legacy.neo4j');
      assert.equal(code, 0, stderr);
    }
    assert.deepEqual(await made(), before);
    assert.ok(!before.includes('mark'), 'it was never prepared');
  });

  it('does nothing to any store where one of them is refused, or does not answer', async () => {
    await migration.postgres.query(
      `INSERT INTO ${table()} (id, version, deleted) VALUES ('still here', $1, true)`,
      [OLD],
    );
    await reconfigure(migration, {});
    const config = ['--config', migration.configFile, 'purge', 'tombstones', ...ENOUGH];
    const away = await cli(config, { CHANGEOVER_TARGET_MILVUS_ADDRESS: '127.0.0.1:9' });
    assert.equal(away.code, 6, away.stderr);
    assert.deepEqual(await rows("id = 'still here'"), ['still here']);
  });
});
