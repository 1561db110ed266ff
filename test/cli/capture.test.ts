import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { collectionSpace } from '../../cli/collection-space.ts';
import { configSchema } from '../../cli/config.ts';
import { captureTable } from '../../cli/output/capture-table.ts';
import { chosenOrigins, kindsOfOrigin, routesOf } from '../../cli/routes.ts';
import { assertCaptured, type StoreStatus } from '../../cli/work/capture-status.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { cli } from '../support/cli.ts';

const configOf = (config: unknown) => configSchema.parse(config);

const LEGACY = {
  legacy: { dictionary: { file: 'a.json' }, redis: {}, neo4j: { password: 'x' } },
  origins: { agent: 'dictionary', relationship: 'dictionary', embedding: 'neo4j' },
};

describe('the stores that are captured', () => {
  const routes = routesOf(configOf(LEGACY));

  it('are those that are the origin of a kind', () => {
    assert.deepEqual(chosenOrigins(routes, undefined), ['dictionary', 'neo4j', 'redis']);
    assert.deepEqual(chosenOrigins(routes, ['redis']), ['redis']);
    assert.deepEqual(kindsOfOrigin(routes, 'redis'), ['experience', 'q-value', 'policy']);
    assert.throws(() => chosenOrigins(routes, ['redis', 'milvus']), { code: 'usage', message: /milvus/ });
    const only = routesOf(configOf({ ...LEGACY, origins: { ...LEGACY.origins, embedding: 'none' } }));
    assert.throws(() => chosenOrigins(only, ['neo4j']), { code: 'usage' });
    assert.throws(() => chosenOrigins(routesOf(configOf({})), undefined), { code: 'config' });
  });

  it('refuse embeddings of another space than the collection is configured to have', () => {
    const spaceOf = (target: object, followers: object = {}) => {
      const config = configOf({ ...LEGACY, target, followers });
      return collectionSpace(config, routesOf(config));
    };
    assert.deepEqual(spaceOf({ milvus: { model: 'm', dimension: 8, metric: 'l2', normalised: false } }), {
      model: 'm',
      revision: '',
      dimension: 8,
      metric: 'l2',
      normalised: false,
    });
    assert.equal(spaceOf({ milvus: {} }), undefined);
    assert.equal(spaceOf({ postgres: { password: 'x' } }), undefined);
  });

  it('are shown with what an operator has to see', () => {
    const status = {
      active: true,
      detail: 'by a trigger',
      entries: 1_234,
      oldestUs: 1_000_000,
      maxEntries: 5_000,
      setAside: 0,
      lostSinceUs: null,
    };
    const lost = { ...status, active: false, entries: 0, oldestUs: null, lostSinceUs: 1_700_000_000_000_000 };
    const [header, first, second] = captureTable(
      [
        { store: 'legacy.neo4j', ...status },
        { store: 'legacy.redis', ...lost },
      ],
      5_200_000,
    ).split('\n');
    assert.match(header ?? '', /^store +captured +entries +of at most +oldest +set aside +lost +how$/);
    assert.match(first ?? '', /^legacy\.neo4j +yes +1,234 +5,000 +4\.2 s +0 +by a trigger$/);
    assert.match(second ?? '', /^legacy\.redis +NO +0 +5,000 +0 +SINCE 2023-11-14T22:13:20\.000Z/);
  });
  it('are judged by what weighs most of what their operator has to see to', () => {
    const fine: StoreStatus = {
      store: 'legacy.redis',
      active: true,
      detail: 'not installed',
      entries: 7,
      oldestUs: 1,
      maxEntries: 5_000,
      setAside: 0,
      lostSinceUs: null,
    };
    const aside: StoreStatus = { ...fine, store: 'legacy.neo4j', setAside: 2 };
    const idle: StoreStatus = { ...fine, store: 'legacy.neo4j', active: false };
    const lost: StoreStatus = { ...fine, lostSinceUs: 1 };
    const away: StoreStatus = {
      store: 'legacy.dictionary',
      error: new ChangeoverError('forbidden', 'no right to it', { hint: 'Give it.' }),
    };
    assert.doesNotThrow(() => assertCaptured([fine]));
    const worst: readonly (readonly [statuses: readonly StoreStatus[], exitCode: number, says: RegExp])[] = [
      [[fine, aside], 3, /2 entries of legacy\.neo4j/],
      [[aside, idle], 8, /legacy\.neo4j: not installed/],
      [[idle, aside, away], 7, /legacy\.dictionary: no right to it/],
      [[away, lost, idle], 9, /legacy\.redis went uncaptured/],
    ];
    for (const [statuses, exitCode, says] of worst) {
      assert.throws(() => assertCaptured(statuses), { exitCode, message: says });
    }
    const defect = new TypeError('ours');
    assert.throws(() => assertCaptured([fine, { store: 'legacy.redis', error: defect }]), defect);
  });
});

describe('`changeover capture` of two stores of which one does not answer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-capture-'));
  const file = join(folder, 'society.json');
  const config = join(folder, 'changeover.yaml');
  after(() => rmSync(folder, { recursive: true }));
  const capture = (...args: readonly string[]) => cli(['--config', config, 'capture', ...args]);
  before(async () => {
    // Nobody listens at port 1.
    const legacy = `{ dictionary: { file: ${JSON.stringify(file)} }, redis: { port: 1, connectTimeoutMs: 300 } }`;
    writeFileSync(config, `legacy: ${legacy}\norigins: { agent: dictionary }\n`);
  });

  it('says that there is no dictionary, where it is looked for and what to do', async () => {
    for (const command of ['install', 'status', 'uninstall']) {
      const { code, stderr } = await capture(command, 'dictionary');
      assert.equal(code, 2, stderr);
      assert.match(stderr, new RegExp(`There is no dictionary ${file}`));
      assert.match(stderr, /→ .*`legacy\.dictionary\.file`.*`legacy\.dictionary\.create: true`/);
    }
  });

  it('shows the one that answers all the same, and ends with the code of the other', async () => {
    writeFileSync(file, '{}');
    assert.equal((await capture('install', 'dictionary')).code, 0);
    const { code, stdout, stderr } = await capture('status');
    assert.equal(code, 6, stderr);
    assert.match(stdout, /^legacy\.dictionary +yes +0 +1,000,000 +0 +\S/m);
    assert.match(stdout, /^legacy\.redis +\? +\S.*127\.0\.0\.1:1/m);
    assert.match(stderr, /legacy\.redis: .*127\.0\.0\.1:1/);
    const { stores } = JSON.parse((await capture('status', '--json')).stdout);
    assert.deepEqual([stores[0].store, stores[0].active], ['legacy.dictionary', true]);
    assert.deepEqual([stores[1].store, stores[1].error.code], ['legacy.redis', 'unreachable']);
    assert.match(stores[1].error.message, /127\.0\.0\.1:1/);
    assert.equal((await capture('status', 'dictionary')).code, 0);
  });
  it('counts what was set aside as something to see to, lists it and forgets it when that is confirmed', async () => {
    const value = 'bm90aGluZw==';
    const lines = [
      { id: 'x:1', reason: 'its type is no name', kind: 'relationship', key: '["a","NO WAY","b"]', value },
      { id: 'x:2', reason: 'odd\u0007\nin two lines', kind: 'agent', key: 'ada', value },
    ];
    writeFileSync(`${file}.set-aside`, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const status = await capture('status', 'dictionary');
    assert.equal(status.code, 3, status.stderr);
    assert.match(status.stderr, /2 entries of legacy\.dictionary/);
    assert.match(status.stderr, /changeover capture set-aside/);

    const listed = await capture('set-aside');
    assert.equal(listed.code, 6, 'Redis does not answer');
    assert.match(listed.stderr, /legacy\.redis: .*127\.0\.0\.1:1/);
    const [header, first, second, ...more] = listed.stdout.trimEnd().split('\n');
    assert.match(header ?? '', /^store +kind +key +captured +id +reason$/);
    assert.match(
      first ?? '',
      /^legacy\.dictionary +relationship +\["a","NO WAY","b"\] +\? +x:1 +its type is no name$/,
    );
    assert.match(second ?? '', /^legacy\.dictionary +agent +ada +\? +x:2 +"odd\\u0007\\nin two lines"$/);
    assert.deepEqual(more, []);
    const json = await capture('set-aside', 'dictionary', '--json');
    assert.equal(json.code, 0, json.stderr);
    const [{ value: _, ...said }] = lines as [(typeof lines)[number]];
    assert.deepEqual(JSON.parse(json.stdout.split('\n')[0] ?? ''), {
      store: 'legacy.dictionary',
      ...said,
      capturedUs: null,
    });

    const unconfirmed = await capture('set-aside', '--clear', 'dictionary');
    assert.equal(unconfirmed.code, 2);
    assert.match(unconfirmed.stderr, /would forget 2 entries of legacy\.dictionary\n.*--confirm/);
    assert.equal((await capture('set-aside', '--confirm', 'dictionary')).code, 2);
    assert.equal((await capture('status', 'dictionary')).code, 3);
    const cleared = await capture('set-aside', '--clear', '--confirm', 'dictionary');
    assert.equal(cleared.code, 0);
    // What goes is shown once more, and then how much it was.
    assert.match(cleared.stdout, /agent +ada .*\nlegacy\.dictionary: 2 entries forgotten\n$/);
    assert.equal((await capture('status', 'dictionary')).code, 0);
    const nothing = await capture('set-aside', 'dictionary');
    assert.deepEqual([nothing.code, nothing.stdout], [0, 'legacy.dictionary: nothing is set aside\n']);
  });
});
