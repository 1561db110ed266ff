import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { milvusConnector } from '../../connectors/milvus/connector.ts';
import { embeddingsShape } from '../../connectors/milvus/shapes.ts';
import { markText } from '../../connectors/milvus/space.ts';
import type { Embedding } from '../../schemas/change.ts';
import { spaceOf } from '../../schemas/embedding-space.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity, unitVector } from '../support/entities.ts';
import { asAdmin, dropCollections, openStore, testContext, testOptions } from './milvus-support.ts';

const V = 1_700_000_000_000_000;
const SPACE = { model: 'test-model', revision: '1', dimension: 8, metric: 'cosine', normalised: true };

/** An embedding of another space than the samples have. */
function foreign(name: string, dimension: number, model = 'test-model'): Embedding {
  const sample = sampleEntity('embedding', { name });
  return { ...sample, dimension, vector: unitVector(1, dimension), space: { ...sample.space, model } };
}

describe('preparing Milvus', { concurrency: true }, () => {
  it('makes the collection at once when the space is configured, with the index profile', async () => {
    const options = testOptions({ ...SPACE, indexProfile: 'fast' });
    const store = await openStore(options);
    try {
      await store.prepare();
      const [index] = await asAdmin(async (client) => {
        const found = await client.describeIndex({
          collection_name: options.collection,
          field_name: 'vector',
        });
        return found.index_descriptions;
      });
      const parameters = new Map(index?.params.map(({ key, value }) => [key, value]));
      assert.equal(parameters.get('index_type'), 'HNSW');
      assert.equal(parameters.get('metric_type'), 'COSINE');
      assert.match(JSON.stringify([...parameters]), /"M[^0-9]*8\b.*efConstruction[^0-9]*128\b|"M","8"/);
      const outcomes = await store.sink.apply([upsert('embedding', foreign('wrong size', 16), V)]);
      assert.equal(outcomes[0]?.status, 'rejected');
      const other = await openStore({ ...options, dimension: 16 });
      await assert.rejects(other.prepare(), { code: 'mismatch', message: /dimension 16 instead of 8/ });
      await other.close();
    } finally {
      await store.close();
      await dropCollections(options);
    }
  });

  it('is safe when several processes do it at once', async () => {
    const options = testOptions(SPACE);
    const stores = await Promise.all(Array.from({ length: 3 }, () => openStore(options)));
    try {
      await Promise.all(stores.map((store) => store.prepare()));
      for (const store of stores) {
        const results = await store.probe.check();
        assert.ok(
          results.every((result) => result.ok),
          JSON.stringify(results),
        );
      }
    } finally {
      await Promise.all(stores.map((store) => store.close()));
      await dropCollections(options);
    }
  });

  it('lets the first embedding decide the space, also when two processes have different first ones', async () => {
    const options = testOptions();
    const stores = await Promise.all([openStore(options), openStore(options)]);
    try {
      await Promise.all(stores.map((store) => store.prepare()));
      const offered = [foreign('eight', 8), foreign('sixteen', 16)];
      const outcomes = await Promise.all(
        stores.map((store, index) => {
          const change = upsert('embedding', offered[index] ?? foreign('none', 8), V);
          return store.sink.apply([change]);
        }),
      );
      const statuses = outcomes.flat().map((outcome) => outcome.status);
      assert.deepEqual(statuses.toSorted(), ['applied', 'rejected']);
      const [kept] = offered.filter((_, index) => statuses[index] === 'applied');
      for (const store of stores) {
        assert.equal(await store.source.count('embedding'), 1);
        const [held] = await store.source.get('embedding', [kept?.id ?? '']);
        assert.equal(held?.entity?.dimension, kept?.dimension);
      }
    } finally {
      await Promise.all(stores.map((store) => store.close()));
      await dropCollections(options);
    }
  });
});

it('a collection that another process began and never finished is finished by the first that writes', async () => {
  const options = testOptions();
  const store = await openStore(options);
  try {
    await store.prepare();
    const embedding = sampleEntity('embedding', { name: 'first' });
    const space = spaceOf(embedding);
    const description = markText({ owner: testContext, space });
    const { fields } = embeddingsShape(space, 'fast');
    await asAdmin((client) =>
      client.createCollection({ collection_name: options.collection, description, fields: [...fields] }),
    );
    assert.deepEqual(await store.sink.apply([upsert('embedding', embedding, V)]), [{ status: 'applied' }]);
    assert.equal((await store.source.get('embedding', ['first']))[0]?.version, V);
  } finally {
    await store.close();
    await dropCollections(options);
  }
});

it('a collection that was given more than we make is still written and read, by the types of the client', async () => {
  const options = testOptions();
  const store = await openStore(options);
  try {
    const embedding = sampleEntity('embedding', { name: 'dynamic' });
    const space = spaceOf(embedding);
    const { fields } = embeddingsShape(space, 'fast');
    await asAdmin((client) =>
      client.createCollection({
        collection_name: options.collection,
        description: markText({ owner: testContext, space }),
        fields: [...fields],
        enable_dynamic_field: true,
      }),
    );
    await store.prepare();
    assert.deepEqual(await store.sink.apply([upsert('embedding', embedding, V)]), [{ status: 'applied' }]);
    const [held] = await store.source.get('embedding', [embedding.id]);
    assert.deepEqual([held?.version, held?.entity?.metadata], [V, embedding.metadata]);
    assert.deepEqual(Buffer.from(held?.entity?.vector ?? []), Buffer.from(embedding.vector));
  } finally {
    await store.close();
    await dropCollections(options);
  }
});

describe('a collection that is not ours', () => {
  const options = testOptions();
  after(() => dropCollections(options));

  it('is refused when it belongs to a store of the other role', async () => {
    const store = await openStore(options);
    await store.prepare();
    await store.close();
    const other = await milvusConnector.open(options, {
      ...testContext,
      name: 'legacy.milvus',
      role: 'legacy',
    });
    try {
      await assert.rejects(other.prepare(), {
        code: 'conflict',
        message: /belongs to target\.milvus, a target store; legacy\.milvus is a legacy store/,
      });
      const results = await other.probe.check();
      assert.equal(results.find((result) => result.check === 'collections')?.ok, false);
    } finally {
      await other.close();
    }
  });

  it('is refused when somebody else made it', async () => {
    const mine = testOptions();
    await asAdmin((client) =>
      client.createCollection({
        collection_name: mine.collection,
        fields: [
          { name: 'id', data_type: 'VarChar', is_primary_key: true, max_length: 64 },
          { name: 'v', data_type: 'FloatVector', dim: 2 },
        ],
      }),
    );
    const store = await openStore(mine);
    try {
      await assert.rejects(store.prepare(), { code: 'conflict', message: /was not made by Changeover/ });
      await assert.rejects(store.source.count('embedding'), { code: 'conflict' });
    } finally {
      await store.close();
      await dropCollections(mine);
    }
  });
});
