import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import type { Embedding } from '../../schemas/change.ts';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { removal, upsert } from '../support/changes.ts';
import { float32Bytes, sampleEntity, TEST_SPACE, unitVector } from '../support/entities.ts';
import { asAdmin, dropCollections, openStore, testOptions } from './milvus-support.ts';

const V = 1_700_000_000_000_000;
const STRONG = { consistency_level: 'Strong' as never };

describe('Milvus as a store of embeddings', () => {
  const options = testOptions({ batchRows: 300 });
  const { collection } = options;
  const tombstones = `${collection}_tombstones`;
  let store: Store;
  before(async () => {
    store = await openStore(options);
    await store.prepare();
  });
  after(async () => {
    await store.close();
    await dropCollections(options);
  });

  const sample = (name: string, fields: Partial<Embedding> = {}): Embedding => ({
    ...sampleEntity('embedding', { name }),
    ...fields,
  });
  const held = async (id: string) => (await store.source.get('embedding', [id]))[0];
  const idsInServer = (name: string) =>
    asAdmin(async (client) => {
      const filter = `id in ["${name}"]`;
      const request = { collection_name: collection, filter, output_fields: ['id'], ...STRONG };
      return (await client.query(request)).data.map((row) => row.id as string);
    });

  it('rejects what it cannot hold, each with its reason, and applies the rest of the batch', async () => {
    const sound = Array.from({ length: 30 }, (_, index) => upsert('embedding', sample(`sound ${index}`), V));
    const large = { text: 'é'.repeat(33_000) };
    const faulty = [
      sample('another model', { space: { ...TEST_SPACE, model: 'other' } }),
      sample('not normalised', { space: { ...TEST_SPACE, normalised: false } }),
      sample('longer', { dimension: 16, vector: unitVector(1, 16) }),
      sample('cut', { vector: unitVector(1).subarray(0, 20) }),
      sample('not a number', { vector: float32Bytes([1, 2, Number.NaN, 4, 5, 6, 7, 8]) }),
      sample('infinite', { vector: float32Bytes([1, 2, 3, 4, 5, 6, 7, Number.POSITIVE_INFINITY]) }),
      sample('wordy', { metadata: large }),
      sample('id'.repeat(600)),
    ].map((embedding) => upsert('embedding', embedding, V));
    const outcomes = await store.sink.apply([...sound.slice(0, 10), ...faulty, ...sound.slice(10)]);
    assert.deepEqual(
      outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : [])),
      [
        'it is of another embedding space than the collection: model "other" instead of "test-model"',
        'it is of another embedding space than the collection: normalised false instead of true',
        'it is of another embedding space than the collection: dimension 16 instead of 8',
        'vector has 20 bytes, not 4 for each of its 8 dimensions',
        'vector has NaN at place 2',
        'vector has Infinity at place 7',
        'metadata has 66011 bytes as JSON, more than 65536',
        'id is longer than 1024 bytes',
      ],
    );
    assert.equal(outcomes.filter((outcome) => outcome.status === 'applied').length, 30);
    assert.equal(await held('wordy'), undefined);
  });

  it('takes metadata of exactly as many bytes as the server does', async () => {
    const metadata = { x: 'x'.repeat(65_536 - 8) };
    const [outcome] = await store.sink.apply([upsert('embedding', sample('brimful', { metadata }), V)]);
    assert.equal(outcome?.status, 'applied');
    assert.equal((await held('brimful'))?.entity?.metadata.x, metadata.x);
  });

  it('shows every other client at once what it has confirmed', async () => {
    const reader = await openStore(options);
    try {
      for (let round = 0; round < 10; round++) {
        const id = `seen ${round}`;
        await store.sink.apply([upsert('embedding', sample(id), V)]);
        assert.equal((await reader.source.get('embedding', [id]))[0]?.version, V, id);
      }
    } finally {
      await reader.close();
    }
  });

  it('hides what a crash left between tombstone and delete, and deletes it when the change comes again', async () => {
    await store.sink.apply([upsert('embedding', sample('left over'), V)]);
    const counted = await store.source.count('embedding');
    await asAdmin((client) =>
      client.upsert({
        collection_name: tombstones,
        data: [{ id: 'left over', version: V + 5, unused: [0, 0] }],
      }),
    );
    assert.deepEqual(await held('left over'), { version: V + 5, entity: null });
    assert.equal(await store.source.count('embedding'), counted - 1);
    const seen: string[] = [];
    for await (const chunk of store.source.scan('embedding', WHOLE_RANGE, { limit: 100 }))
      seen.push(...chunk.rows.map((row) => row.key));
    assert.ok(!seen.includes('left over'));
    assert.deepEqual(await idsInServer('left over'), ['left over']);
    const again = [removal('embedding', 'left over', V + 5)];
    assert.deepEqual(await store.sink.apply(again), [{ status: 'stale' }]);
    assert.deepEqual(await idsInServer('left over'), []);
    assert.deepEqual(await held('left over'), { version: V + 5, entity: null });
    const late = upsert('embedding', sample('left over'), V + 4);
    assert.deepEqual(await store.sink.apply([late]), [{ status: 'stale' }]);
  });

  it('names rows of others that are no movable entities, and goes on with the rest', async () => {
    const row = { agent_id: 'a', vector: [1, 0, 0, 0, 0, 0, 0, 0], version: V, metadata: {} };
    await asAdmin((client) =>
      client.upsert({
        collection_name: collection,
        data: [
          { ...row, id: '' },
          { ...row, id: 'unversioned', version: 0 },
        ],
      }),
    );
    const rejected: string[] = [];
    let rows = 0;
    for await (const chunk of store.source.scan('embedding', WHOLE_RANGE, { limit: 10 })) {
      rejected.push(...chunk.rejected.map(({ where, reason }) => `${where}: ${reason}`));
      rows += chunk.rows.length;
    }
    assert.deepEqual(rejected, [
      `${collection}, id "": id is empty`,
      `${collection}, id "unversioned": version is no safe integer`,
    ]);
    assert.ok(rows > 30);
    await asAdmin((client) =>
      client.deleteEntities({ collection_name: collection, filter: 'id in ["","unversioned"]' }),
    );
  });

  it('applies a batch that is larger than one call', async () => {
    const changes = Array.from({ length: 2_000 }, (_, index) =>
      upsert('embedding', sample(`many ${index}`), V),
    );
    const outcomes = await store.sink.apply(changes);
    assert.ok(outcomes.every((outcome) => outcome.status === 'applied'));
    const removals = changes.slice(0, 1_500).map((change) => removal('embedding', change.key, V + 1));
    assert.ok((await store.sink.apply(removals)).every((outcome) => outcome.status === 'applied'));
    const versions = await store.source.get(
      'embedding',
      changes.map((change) => change.key),
    );
    assert.equal(versions.filter((each) => each?.entity === null).length, 1_500);
    assert.equal(versions.filter((each) => each?.version === V).length, 500);
  });
});
