import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { cli } from '../support/cli.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { testStack } from '../support/stack.ts';

const agent = (id: unknown, more: Record<string, unknown> = {}) => ({
  id,
  type: 'citizen',
  active: true,
  attributes: { name: 'Ada' },
  memory: { friends: [], relationships: {}, relation_types: {} },
  ...more,
});

describe('items that cannot be moved', () => {
  let migration: Migration;
  before(async () => {
    migration = await openMigration();
    const members = [
      [
        'ada',
        agent('ada', {
          memory: { friends: ['bob', 'nobody'], relationships: { bob: 120 }, relation_types: {} },
        }),
      ],
      ['bob', agent('bob', { memory: { friends: ['ada'], relationships: { ada: 70 }, relation_types: {} } })],
      ['eve', agent(7)],
      ['bob', agent('bob')],
      ['nul', agent('nul', { attributes: { name: 'a\u0000b' } })],
    ];
    const lines = members.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    await writeFile(migration.dictionaryFile, `{\n${lines.join(',\n')},\n"cut":{"id":"cut","type":"cit`);
    const { redis, name } = migration;
    await redis.rpush(`${name}:exp:ada`, 'this is not JSON');
    await redis.hset(`${name}:q:ada`, 'nofield', '{"value":1,"visits":1}', 's|1', '{"value":0.5,"visits":2}');
    await redis.set(`${name}:policy:bob`, '{"algorithm":');
    await migration.neo4j.executeQuery(
      `CREATE (:${migration.labels.memory} {id: 'm1', agentId: 'ada', model: 'm', embedding: [1.0, 0.0, 0.0]}),
              (:${migration.labels.memory} {id: 'm2', agentId: 'ada', model: 'm', embedding: [0.0, 1.0, 0.0]}),
              (:${migration.labels.memory} {id: 'm3', agentId: 'ada', model: 'm', embedding: [0.0, 1.0]}),
              (:${migration.labels.memory} {id: 'm4', agentId: 'ada', model: 'm', embedding: [0.0, 1.0, 0.0 / 0.0]})`,
    );
  });
  after(() => migration.close());

  // The next test finds every item in its report: what could not be reported was not passed over.
  it('stop the backfill while the disk of the report is full', async () => {
    const { code, stderr } = await migration.cli('backfill', '--rejected', '/dev/full');
    assert.equal(code, 10, stderr);
    assert.match(stderr, /Cannot write the report \/dev\/full: .*no space left/i);
    assert.match(stderr, /Make room/);
    assert.doesNotMatch(stderr, /\n\s+at /, 'no stack trace');
  });

  it('are each named with their place and reason; the rest moves; the exit code says so', async () => {
    const report = join(migration.folder, 'rejected.ndjson');
    const { code, stderr } = await migration.cli('backfill', '--rejected', report);
    assert.equal(code, 3, stderr);
    assert.match(stderr, /could not be moved; each is named in .*rejected\.ndjson/);
    const items = (await readFile(report, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { where: string; reason: string; store: string });
    const expected: readonly [where: RegExp, reason: RegExp][] = [
      [/line 2.*ada/, /nobody/],
      [/line 2.*ada/, /120/],
      [/line 4.*eve/, /number 7/],
      [/line 5.*bob/, /line 3|twice|already|duplicate/i],
      [/line 6.*nul/, /NUL/],
      [/line 7/, /"cut".*cut off/],
      [/exp:ada/, /JSON/],
      [/q:ada.*nofield/, /\|/],
      [/policy:bob/, /JSON/],
      [/m3/, /dimension/],
      [/m4/, /NaN|finite/],
    ];
    for (const [where, reason] of expected) {
      assert.ok(
        items.some((item) => where.test(item.where) && reason.test(item.reason)),
        `${where} ${reason} in\n${items.map((item) => `${item.where}: ${item.reason}`).join('\n')}`,
      );
    }
    const run = await migration.cli('run', '--until-caught-up');
    assert.equal(run.code, 0, run.stderr);
    const validate = await migration.cli('validate', '--json');
    // Nothing differs, but not everything could be compared.
    assert.equal(validate.code, 3, validate.stdout);
    assert.match(validate.stderr, /could not be read as an entity/);
    const moved = Object.fromEntries(
      JSON.parse(validate.stdout).comparisons.map((each: { kind: string; right: string; equal: number }) => [
        `${each.kind} ${each.right}`,
        each.equal,
      ]),
    );
    assert.equal(moved['agent target.neo4j'], 2);
    assert.equal(moved['q-value target.postgres'], 1);
    assert.equal(moved['embedding target.milvus'], 2);
  });
});

describe('a wrong word', () => {
  it('is answered with what is possible, and exit code 2', async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['backfil'], /Did you mean backfill\?/],
      [['backfill', '--kinds', 'agents'], /The kinds are agent, relationship/],
      [['backfill', '--batch-size', 'many'], /whole number above 0/],
      [['--config', '/no/such.yaml', 'run'], /\/no\/such\.yaml: there is no such file/],
      [['demo', '--data', '/no/such'], /\/no\/such/],
      [['stack', 'logs', 'mongodb'], /The services are kafka/],
    ];
    for (const [args, words] of cases) {
      const { code, stderr } = await cli(args);
      assert.match(stderr, words);
      assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
      assert.doesNotMatch(stderr, /\n\s+at /, 'no stack trace');
    }
  });

  it('in the configuration is answered with its line', async () => {
    const migration = await openMigration();
    try {
      const file = join(migration.folder, 'wrong.yaml');
      await writeFile(
        file,
        'prefix: a\nkafka:\n  brokers: [127.0.0.1:1]\n  partition: 3\ntarget:\n  postgres:\n    poolSize: many\n',
      );
      const { code, stderr } = await cli(['--config', file, 'run']);
      assert.equal(code, 2);
      assert.match(
        stderr,
        /wrong\.yaml:4: kafka\.partition: there is no such option; did you mean partitions\?/,
      );
      assert.match(stderr, /wrong\.yaml:7: target\.postgres\.poolSize: /);
    } finally {
      await migration.close();
    }
  });
});

describe('a server that is missing or refuses', () => {
  const stack = testStack();
  const dead = '127.0.0.1:1';
  const reachable = {
    neo4j: { ...stack.neo4j, labels: { agent: 'Unused' } },
    postgres: { url: stack.postgres.url, schema: 'unused' },
    milvus: { address: stack.milvus.address, collection: 'unused' },
  };
  const cases: readonly (readonly [string, Record<string, unknown>, number, RegExp])[] = [
    [
      'Kafka is not there',
      { kafka: { brokers: [dead], openTimeoutMs: 2_000 }, target: { postgres: reachable.postgres } },
      6,
      /127\.0\.0\.1:1/,
    ],
    [
      'Neo4j is not there',
      { target: { neo4j: { ...reachable.neo4j, url: `bolt://${dead}` } } },
      6,
      /127\.0\.0\.1:1/,
    ],
    [
      'Neo4j has another password',
      { target: { neo4j: { ...reachable.neo4j, password: 'wrong' } } },
      7,
      /password/i,
    ],
    [
      'Postgres is not there',
      { target: { postgres: { host: '127.0.0.1', port: 1, password: 'x' } } },
      6,
      /127\.0\.0\.1:1/,
    ],
    [
      'Postgres has another password',
      { target: { postgres: { ...reachable.postgres, password: 'wrong' } } },
      7,
      /password/i,
    ],
    [
      'Milvus is not there',
      { target: { milvus: { ...reachable.milvus, address: dead } } },
      6,
      /127\.0\.0\.1:1/,
    ],
  ];
  for (const [name, config, exitCode, words] of cases) {
    it(`${name}: one clear message, exit code ${exitCode}`, async () => {
      const migration = await openMigration();
      try {
        const file = join(migration.folder, 'refused.yaml');
        await writeFile(
          file,
          stringify({ prefix: migration.name, kafka: { brokers: stack.kafka.brokers }, ...config }),
        );
        const { code, stderr } = await cli(['--config', file, 'run', '--until-caught-up']);
        assert.equal(code, exitCode, stderr);
        assert.match(stderr, words);
        assert.match(stderr, /→ /, 'it says what to do');
        assert.doesNotMatch(stderr, /\n\s+at /, 'no stack trace');
        assert.ok(
          !stderr.includes(stack.postgres.password) && !stderr.includes(stack.neo4j.password),
          'no password',
        );
      } finally {
        await migration.close();
      }
    });
  }

  it('Redis is not there, or has another password: one clear message for backfill too', async () => {
    const migration = await openMigration();
    try {
      for (const [redis, exitCode] of [
        [{ url: `redis://${dead}/0` }, 6],
        [{ url: `redis://${stack.redis.host}:${stack.redis.port}/0`, password: 'wrong' }, 7],
      ] as const) {
        const file = join(migration.folder, 'refused.yaml');
        await writeFile(
          file,
          stringify({ prefix: migration.name, kafka: { brokers: stack.kafka.brokers }, legacy: { redis } }),
        );
        const { code, stderr } = await cli(['--config', file, 'backfill']);
        assert.equal(code, exitCode, stderr);
        assert.match(stderr, /→ /);
        assert.doesNotMatch(stderr, /\n\s+at /);
      }
    } finally {
      await migration.close();
    }
  });
});
