import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Change } from '../../schemas/change.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity, sampleKey } from '../support/entities.ts';
import { asAdmin, dropSchema, openStore, testOptions } from './postgres-support.ts';

const V = 1_700_000_000_000_000;

describe('the Postgres sink', () => {
  const options = testOptions({ statementTimeoutMs: 5_000, batchRows: 500 });
  const { schema } = options;
  let store: Store;
  before(async () => {
    store = await openStore(options);
    await store.prepare();
  });
  after(async () => {
    await store.close();
    await dropSchema(schema);
  });

  const statuses = async (changes: readonly Change[]) =>
    (await store.sink.apply(changes)).map((outcome) => outcome.status);
  const select = async (sql: string) =>
    (await asAdmin((admin) =>
      admin.query({ text: `SET search_path TO ${schema}; ${sql}`, rowMode: 'array' }),
    )) as unknown as { readonly rows: unknown[][] }[];

  const experience = (name: string, fields: object = {}): Change =>
    upsert('experience', { ...sampleEntity('experience', { name }), ...fields }, V);

  it('rejects what it cannot hold, each with its reason, and applies the rest of the batch', async () => {
    const sound = Array.from({ length: 40 }, (_, index) => experience(`sound ${index}`));
    const faulty = [
      experience('not a number', { reward: Number.NaN }),
      experience('half a character \ud800'),
      experience('nul \u0000'),
      experience('fraction', { step: 1.5 }),
      { ...experience('misnamed'), key: 'other' },
      { ...experience('no version'), version: 0 },
      removal('experience', '', V),
      removal('experience', 'half \udc00', V),
    ] as Change[];
    const outcomes = await store.sink.apply([...sound.slice(0, 20), ...faulty, ...sound.slice(20)]);
    const found = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    assert.deepEqual(found, [
      'reward is not a finite number',
      'id contains half of a surrogate pair',
      'id contains the NUL character',
      'step is not a whole number',
      `its key is "other", but its entity's is misnamed`,
      'version 0 is not a positive safe integer',
      'its key is no key: id is empty',
      'its key is no key: id contains half of a surrogate pair',
    ]);
    assert.equal(outcomes.filter((outcome) => outcome.status === 'applied').length, 40);
    const held = await store.source.get('experience', ['misnamed', 'other', 'not a number']);
    assert.deepEqual(held, [undefined, undefined, undefined]);
  });

  it('finds by halving the rows that only the server refuses, in each of the statements under way', async () => {
    await asAdmin((admin) =>
      admin.query(`ALTER TABLE ${schema}.agents_held ADD CONSTRAINT no_pests CHECK (type <> 'pest')`),
    );
    const agents = Array.from({ length: 600 }, (_, index) => {
      const type = index % 250 === 7 ? 'pest' : 'citizen';
      return upsert('agent', { ...sampleEntity('agent', { name: `halved ${index}` }), type }, V);
    });
    const outcomes = await store.sink.apply(agents);
    const rejected = outcomes.flatMap((outcome, index) => (outcome.status === 'rejected' ? [index] : []));
    assert.deepEqual(rejected, [7, 257, 507]);
    const [outcome] = outcomes.filter((each) => each.status === 'rejected');
    assert.match(outcome?.status === 'rejected' ? outcome.reason : '', /no_pests/);
    assert.equal(outcomes.filter((each) => each.status === 'applied').length, 597);
  });

  it('tells the stale changes of a batch from the applied ones, by keys of one column and of several', async () => {
    for (const kind of ['agent', 'q-value', 'policy'] as const) {
      const at = (index: number, version: number): Change =>
        upsert(kind, sampleEntity(kind, { name: `mixed ${index}` }), version);
      const indexes = Array.from({ length: 900 }, (_, index) => (index * 7) % 900);
      await store.sink.apply(indexes.filter((index) => index % 3 === 0).map((index) => at(index, V + 5)));
      const found = await statuses(indexes.map((index) => at(index, V + 4)));
      const expected = indexes.map((index) => (index % 3 === 0 ? 'stale' : 'applied'));
      assert.deepEqual(found, expected, kind);
    }
  });

  it('keeps integers of either sign to the last bit', async () => {
    const numbers = [
      0,
      -1,
      2 ** 32,
      -(2 ** 32),
      -(2 ** 32) - 1,
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
    ];
    const changes = numbers.map((step) => experience(`integer ${step}`, { step }));
    assert.deepEqual(new Set(await statuses(changes)), new Set(['applied']));
    const held = await store.source.get(
      'experience',
      changes.map(({ key }) => key),
    );
    assert.deepEqual(
      held.map((each) => each?.entity?.step),
      numbers,
    );
  });

  it('applies a large batch through the only connection of its pool', async () => {
    const narrow = await openStore({ ...options, poolSize: 1 });
    try {
      const batch = Array.from({ length: 1_200 }, (_, index) => experience(`narrow ${index}`));
      const found = (await narrow.sink.apply(batch)).map(({ status }) => status);
      assert.deepEqual(new Set(found), new Set(['applied']));
    } finally {
      await narrow.close();
    }
  });

  it('keeps a tombstone as the same row, without its content, hidden by the view', async () => {
    const key = sampleKey('q-value', 'gone');
    await store.sink.apply([upsert('q-value', sampleEntity('q-value', { name: 'gone' }), V)]);
    await store.sink.apply([removal('q-value', key, V + 1)]);
    const [, held] = await select(`SELECT version, deleted, value FROM q_values_held WHERE state = 'gone'`);
    assert.deepEqual(held?.rows, [[String(V + 1), true, null]]);
    const [, seen] = await select(`SELECT * FROM q_values WHERE state = 'gone'`);
    assert.deepEqual(seen?.rows, []);
  });

  it('shows users the very numbers, −0 and denormals included', async () => {
    const attributes = { minus: -0, tiny: 5e-324, text: '-0' };
    await store.sink.apply([upsert('agent', { id: 'exact', type: 't', active: true, attributes }, V)]);
    const [, seen] = await select(`SELECT attributes::text FROM agents WHERE id = 'exact'`);
    assert.deepEqual(seen?.rows, [['{"minus":-0,"tiny":5e-324,"text":"-0"}']]);
  });

  it('parts a batch that is too large for one statement', async () => {
    const attributes = { text: 'x'.repeat(2_000_000) };
    const agents = Array.from({ length: 20 }, (_, index) =>
      upsert('agent', { id: `large ${index}`, type: 't', active: true, attributes }, V),
    );
    assert.deepEqual(new Set(await statuses(agents)), new Set(['applied']));
  });

  it('does not deadlock when two clients write the same keys in opposite orders', async () => {
    const other = await openStore(options);
    try {
      for (let round = 1; round <= 20; round++) {
        const batch = Array.from({ length: 200 }, (_, index) =>
          upsert('policy', sampleEntity('policy', { name: `contended ${index}`, variant: round }), V + round),
        );
        const all = await Promise.all([store.sink.apply(batch), other.sink.apply(batch.toReversed())]);
        const applied = all.flat().filter((outcome) => outcome.status === 'applied').length;
        assert.equal(applied, 200, 'each change is applied once');
      }
    } finally {
      await other.close();
    }
  });

  it('throws a passing error while a row is locked, and applies the same batch afterwards', async () => {
    const impatient = await openStore({ ...options, statementTimeoutMs: 300 });
    const change = upsert('agent', sampleEntity('agent', { name: 'locked', variant: 2 }), V + 2);
    await store.sink.apply([upsert('agent', sampleEntity('agent', { name: 'locked' }), V)]);
    try {
      await asAdmin(async (admin) => {
        await admin.query(`BEGIN; SELECT * FROM ${schema}.agents_held WHERE id = 'locked' FOR UPDATE`);
        await assert.rejects(impatient.sink.apply([change]), (error: unknown) => {
          return error instanceof ChangeoverError && error.code === 'timeout' && error.retryable;
        });
        await admin.query('ROLLBACK');
      });
      assert.deepEqual(await statuses([change]), ['applied']);
    } finally {
      await impatient.close();
    }
  });
});
