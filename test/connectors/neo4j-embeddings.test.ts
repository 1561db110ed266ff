import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity, TEST_SPACE, unitVector } from '../support/entities.ts';
import { type TestGraph, testGraph } from './neo4j-graph.ts';

const V = 1_700_000_000_000_000;

describe('the embeddings that follow the log into a legacy Neo4j graph', () => {
  let graph: TestGraph;
  let store: Store;
  beforeEach(async () => {
    graph = testGraph();
    store = await graph.open('legacy', ['embedding']);
    await store.prepare();
  });
  afterEach(() => graph.remove());

  it('takes embeddings of one space only, and makes their vector index when the dimension is known', async () => {
    const memory = sampleEntity('embedding', { name: 'memory' });
    const other = (change: object) => ({ ...memory, space: { ...TEST_SPACE, ...change } });
    const outcomes = await store.sink.apply([
      upsert('embedding', memory, V),
      upsert('embedding', { ...memory, id: 'second' }, V),
      upsert('embedding', { ...memory, id: 'short', vector: unitVector(1, 4), dimension: 4 }, V),
      upsert('embedding', { ...other({ model: 'other' }), id: 'model' }, V),
      upsert('embedding', { ...other({ metric: 'l2' }), id: 'metric' }, V),
      upsert('embedding', { ...other({ normalised: false }), id: 'raw' }, V),
    ]);
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : outcome.status)),
      [
        'applied',
        'applied',
        'vector has 4 dimensions, the others here have 8',
        'it is of another embedding space: model is other, here it is test-model',
        'it is of another embedding space: metric is l2, here it is cosine',
        'it is of another embedding space: normalised is false, here it is true',
      ],
    );
    const [index] = await graph.run(
      `SHOW VECTOR INDEXES YIELD labelsOrTypes, options WHERE labelsOrTypes = [$label]
       RETURN toInteger(options.indexConfig['vector.dimensions']) = 8 AS dimension`,
      { label: graph.labels.memory },
    );
    assert.equal(index?.get('dimension'), true);
    const [row] = await graph.run(
      `MATCH (m:${graph.labels.memory} {id: 'memory'}) RETURN valueType(m.embedding) AS type, m.model AS model`,
    );
    assert.match(row?.get('type'), /^LIST<FLOAT NOT NULL>/);
    assert.equal(row?.get('model'), 'test-model');
  });

  it('makes no vector index for an application that has vectors and none, which would slow down its writes', async () => {
    const { memory } = graph.labels;
    await graph.run(
      `CREATE (:${memory} {id: 'old', agentId: 'a', model: 'test-model', embedding: $vector})`,
      {
        vector: Array.from({ length: 8 }, () => Math.sqrt(1 / 8)),
      },
    );
    await store.prepare();
    const [outcome] = await store.sink.apply([
      upsert('embedding', sampleEntity('embedding', { name: 'new' }), V),
    ]);
    assert.deepEqual(outcome, { status: 'applied' });
    const [found] = await graph.run(
      'SHOW VECTOR INDEXES YIELD labelsOrTypes WHERE labelsOrTypes = [$memory] RETURN count(*) AS indexes',
      { memory },
    );
    assert.equal(Number(found?.get('indexes')), 0);
  });

  it('keeps the space that an embedding was written with, whatever the configuration says later', async () => {
    const memory = sampleEntity('embedding', { name: 'memory' });
    await store.sink.apply([upsert('embedding', memory, V)]);
    const later = await graph.open('legacy', ['embedding'], {
      space: { model: TEST_SPACE.model, revision: '9', metric: 'ip', normalised: false },
    });
    assert.deepEqual((await later.source.get('embedding', ['memory']))[0]?.entity?.space, TEST_SPACE);
  });
});
