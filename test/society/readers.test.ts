import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { RejectedItem } from '../../connectors/connector.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { readEmbeddingsFile } from '../../society/readers/embeddings-file.ts';
import { openSocietyFiles, societyFilesIn } from '../../society/readers/open-society-files.ts';
import type { OnRejected } from '../../society/readers/parsed.ts';
import { readRlFile } from '../../society/readers/rl-file.ts';
import { failOnRejected } from './in-memory-society.ts';

const folder = mkdtempSync(join(tmpdir(), 'changeover-readers-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

type Reader<T> = (path: string, onRejected: OnRejected) => AsyncIterable<T>;

async function readAll<T>(read: Reader<T>, path: string) {
  const rejected: RejectedItem[] = [];
  const rows = await Array.fromAsync(read(path, (item) => rejected.push(item)));
  return {
    rows,
    rejected: rejected.map(({ where, reason }) => ({ where: where.replace(folder, ''), reason })),
  };
}

const vectorOf = (...components: number[]): string =>
  Buffer.from(new Float32Array(components).buffer).toString('base64');

const MEMORY = { id: 'm', agentId: 'a', text: 'hello', model: 'some-model', vector: vectorOf(0.6, 0.8) };
const EXPERIENCE = {
  kind: 'experience',
  id: 'e',
  agentId: 'a',
  state: '1',
  action: 2,
  reward: -0,
  nextState: '2',
  done: false,
  episode: 0,
  step: 0,
  at: 1,
};
const Q_VALUE = { kind: 'q-value', agentId: 'a', state: '1', action: 2, value: 5e-324, visits: 3 };
const POLICY = { kind: 'policy', agentId: 'a', algorithm: 'q-learning', actions: { 1: 2 } };

const asLines = (...records: unknown[]): string =>
  records.map((record) => (typeof record === 'string' ? record : JSON.stringify(record))).join('\n');

test('a bad line of embeddings is named with file, line and reason, and the others come', async () => {
  const bad: readonly (readonly [unknown, RegExp])[] = [
    ['{"id": "m", ', /is not JSON/],
    ['[1]', /is not a JSON object/],
    [{ ...MEMORY, vector: MEMORY.vector.replace('=', '') }, /vector is not base64/],
    [{ ...MEMORY, vector: `${MEMORY.vector}\n` }, /vector is not base64/],
    [{ ...MEMORY, vector: '@@@@' }, /vector is not base64/],
    [{ ...MEMORY, vector: 'AAA=' }, /vector has 2 bytes/],
    [{ ...MEMORY, vector: '' }, /vector is empty/],
    [{ ...MEMORY, vector: [0.6, 0.8] }, /vector is not a string/],
    [{ ...MEMORY, vector: vectorOf(0.6, Number.NaN) }, /vector has NaN at place 1/],
    [{ ...MEMORY, vector: vectorOf(Number.NEGATIVE_INFINITY, 0) }, /vector has -Infinity at place 0/],
    [{ ...MEMORY, vector: vectorOf(0.6, 0.8, 0) }, /vector of m has 3 dimensions, the file's vectors have 2/],
    [{ ...MEMORY, id: undefined }, /id is not a string/],
    [{ ...MEMORY, id: '' }, /id is empty/],
    [{ ...MEMORY, id: 'nul\u0000' }, /id contains the NUL character/],
    [{ ...MEMORY, agentId: 7 }, /agentId is not a string/],
    [{ ...MEMORY, text: null }, /text is not a string/],
    [{ ...MEMORY, model: undefined }, /model is not a string/],
  ];
  const good = (id: string) => ({ ...MEMORY, id });
  // The wrong dimension comes first, and is still found to be the wrong one.
  const lines = [
    { ...MEMORY, vector: vectorOf(1) },
    good('first'),
    ...bad.map(([record]) => record),
    good('last'),
  ];
  const path = file('bad.ndjson', asLines(...lines));
  const { rows, rejected } = await readAll(readEmbeddingsFile, path);
  assert.deepEqual(
    rows.map((row) => row.id),
    ['first', 'last'],
  );
  assert.equal(rejected.length, bad.length + 1);
  assert.ok(
    rejected.some(({ where, reason }) => where === '/bad.ndjson, line 1' && /1 dimensions/.test(reason)),
  );
  for (const [index, [, reason]] of bad.entries()) {
    const found = rejected.find(({ where }) => where === `/bad.ndjson, line ${index + 3}`);
    assert.match(found?.reason ?? 'nothing', reason);
  }
});

test('components come out with the bits that they went in with', async () => {
  const components = [-0, 1.401298464324817e-45, -1.1754942106924411e-38, Math.fround(0.1)];
  const path = file('bits.ndjson', asLines({ ...MEMORY, vector: vectorOf(...components) }));
  const { rows } = await readAll(readEmbeddingsFile, path);
  assert.deepEqual([...(rows[0]?.vector ?? [])], components);
});

test('a bad line of RL state is named with file, line and reason, and the others come', async () => {
  const bad: readonly (readonly [unknown, RegExp])[] = [
    ['nonsense', /is not JSON/],
    [{ ...Q_VALUE, kind: 'value' }, /kind "value" is none of/],
    [{ ...EXPERIENCE, action: 1.5 }, /action is not a whole number/],
    [{ ...EXPERIENCE, done: 'no' }, /done is neither true nor false/],
    [{ ...EXPERIENCE, nextState: undefined }, /nextState is not a string/],
    [
      '{"kind":"q-value","agentId":"a","state":"1","action":2,"value":1e999,"visits":1}',
      /value is not a finite/,
    ],
    [{ ...Q_VALUE, visits: '3' }, /visits is not a whole number/],
    [{ ...POLICY, actions: undefined }, /actions is not an object/],
    [{ ...POLICY, actions: { 1: 'up' } }, /actions.1|an action is not a whole number/],
    [{ ...POLICY, parameters: [] }, /parameters is not an object/],
    [{ ...POLICY, environment: 5 }, /environment is not a string/],
  ];
  const text = asLines(EXPERIENCE, ...bad.map(([record]) => record), Q_VALUE, POLICY).replace(
    '"reward":0',
    '"reward":-0',
  );
  const { rows, rejected } = await readAll(readRlFile, file('rl.ndjson', text));
  assert.deepEqual(rows, [EXPERIENCE, Q_VALUE, { ...POLICY, environment: null, parameters: {} }]);
  for (const [index, [, reason]] of bad.entries()) {
    assert.equal(rejected[index]?.where, `/rl.ndjson, line ${index + 2}`);
    assert.match(rejected[index]?.reason ?? 'nothing', reason);
  }
  assert.equal(rejected.length, bad.length);
});

test('a line that is no UTF-8 is rejected instead of being changed', async () => {
  const broken = Buffer.from(asLines(Q_VALUE).replace('"a"', '"\u00e9"'), 'latin1');
  const path = file('latin1.ndjson', Buffer.concat([broken, Buffer.from(`\n${asLines(Q_VALUE)}`)]));
  const { rows, rejected } = await readAll(readRlFile, path);
  assert.equal(rows.length, 1);
  assert.deepEqual(rejected, [{ where: '/latin1.ndjson, line 1', reason: 'is not UTF-8' }]);
});

test('compressed files are known by their first bytes, and a byte order mark, blank lines and CRLF do no harm', async () => {
  const text = `\ufeff${asLines(Q_VALUE)}\r\n\r\n${asLines(POLICY)}\r\n`;
  for (const content of [Buffer.from(text), gzipSync(text)]) {
    const { rows, rejected } = await readAll(readRlFile, file('any-name', content));
    assert.deepEqual([rows.length, rejected], [2, []]);
  }
});

test('a compressed file that is cut off or damaged gives what comes before, and says so', async () => {
  const many = asLines(...Array.from({ length: 20_000 }, (_, visits) => ({ ...Q_VALUE, visits })));
  const whole = gzipSync(many);
  const damaged = Buffer.from(whole);
  damaged.fill(0xff, damaged.length >> 1, (damaged.length >> 1) + 50);
  for (const content of [whole.subarray(0, whole.length >> 1), damaged]) {
    const { rows, rejected } = await readAll(readRlFile, file('cut.ndjson.gz', content));
    assert.ok(rows.length > 5_000 && rows.length < 20_000, `${rows.length} rows`);
    assert.ok(
      rejected.some(({ where, reason }) => where === '/cut.ndjson.gz' && /damaged or cut off/.test(reason)),
    );
  }
});

test('what is rejected is reported once, however often a society is walked', async () => {
  const rl = file('twice.ndjson', asLines('x', Q_VALUE, 'y'));
  const rejected: RejectedItem[] = [];
  const society = await openSocietyFiles({ rl }, (item) => rejected.push(item));
  const walks = [await Array.fromAsync(society.learning()), await Array.fromAsync(society.learning())];
  assert.deepEqual(walks, [[Q_VALUE], [Q_VALUE]]);
  assert.deepEqual(
    rejected.map((item) => item.where),
    [`${rl}, line 1`, `${rl}, line 3`],
  );
  assert.deepEqual(await Array.fromAsync(society.agents()), []);
});

test('a file or folder that is not there is a mistake of the caller', async () => {
  const isUsage = (error: unknown): boolean => error instanceof ChangeoverError && error.code === 'usage';
  const nowhere = join(folder, 'nowhere');
  await assert.rejects(openSocietyFiles({ rl: nowhere }, failOnRejected), isUsage);
  await assert.rejects(societyFilesIn(folder), isUsage);
  await assert.rejects(Array.fromAsync(readRlFile(nowhere, failOnRejected)), isUsage);
});
