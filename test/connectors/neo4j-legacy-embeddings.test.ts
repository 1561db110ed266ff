import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { float32Bytes } from '../support/entities.ts';
import { KINDS, keysOf, legacyGraph, reasonFor, scanAll } from './neo4j-legacy.ts';

describe('the embeddings of a legacy Neo4j graph', () => {
  const current = legacyGraph();

  it('names each embedding that cannot be moved and why, and moves the rest', async () => {
    const { graph, plant } = current();
    await plant(`UNWIND range(1, 5) AS i CREATE (:Memory {id: 'good' + i, agentId: 'a', text: 'hello', model: 'm', embedding: [0.5, -0.0, 1.0 * i]})
      WITH count(*) AS ok
      CREATE (:Memory {id: 'short', agentId: 'a', model: 'm', embedding: [0.5, 1.0]}),
      (:Memory {id: 'none', agentId: 'a', model: 'm'}),
      (:Memory {id: 'empty', agentId: 'a', model: 'm', embedding: []}),
      (:Memory {id: 'nan', agentId: 'a', model: 'm', embedding: [0.5, 0.0 / 0.0, 1.0]}),
      (:Memory {id: 'beyond', agentId: 'a', model: 'm', embedding: [0.5, 1e300, 1.0]}),
      (:Memory {id: 'words', agentId: 'a', model: 'm', embedding: ['a', 'b', 'c']}),
      (:Memory {id: 'text', agentId: 'a', model: 'm', embedding: 'AAAA'}),
      (:Memory {id: 'ownerless', model: 'm', embedding: [0.5, 0.5, 1.0]}),
      (:Memory {id: 'modelless', agentId: 'a', embedding: [0.5, 0.5, 1.0]})`);
    const strict = await graph.open('legacy', KINDS, {
      space: { revision: '2', metric: 'l2', normalised: false },
    });
    const scanned = await scanAll(strict, 'embedding');
    assert.deepEqual(keysOf(scanned), ['good1', 'good2', 'good3', 'good4', 'good5']);
    assert.deepEqual(scanned.rows[1]?.entity, {
      id: 'good2',
      agentId: 'a',
      vector: Buffer.from(float32Bytes([0.5, -0, 2])),
      dimension: 3,
      space: { model: 'm', revision: '2', metric: 'l2', normalised: false },
      metadata: { text: 'hello' },
    });
    assert.match(reasonFor(scanned, '"short"'), /vector has 2 dimensions, the others have 3/);
    assert.match(reasonFor(scanned, '"none"'), /it has no embedding/);
    assert.match(reasonFor(scanned, '"empty"'), /vector is empty/);
    assert.match(reasonFor(scanned, '"nan"'), /NaN at place 1/);
    assert.match(reasonFor(scanned, '"beyond"'), /Infinity at place 1/);
    assert.match(reasonFor(scanned, '"words"'), /no number at place 0/);
    assert.match(reasonFor(scanned, '"text"'), /"embedding" is no list/);
    assert.match(reasonFor(scanned, '"ownerless"'), /agentId is not a string/);
    assert.match(reasonFor(scanned, '"modelless"'), /names no model/);
  });

  it('rounds a component that is no float32 to the nearest one', async () => {
    const { store, plant } = current();
    await plant(
      "CREATE (:Memory {id: 'm', agentId: 'a', model: 'test-model', embedding: [0.1, 1, 16777217]})",
    );
    const { rows } = await scanAll(store, 'embedding');
    const vector = Buffer.from(rows[0]?.entity.vector ?? []);
    assert.deepEqual(
      [0, 4, 8].map((at) => vector.readFloatLE(at)),
      [Math.fround(0.1), 1, 16_777_216],
    );
  });

  it('are of one model: the one that is configured, else that of most of them', async () => {
    const { graph, plant } = current();
    const unnamed = await graph.open('legacy', KINDS, { space: {} });
    await plant(
      "UNWIND range(1, 4) AS i CREATE (:Memory {id: 'm' + i, agentId: 'a', model: CASE WHEN i = 1 THEN 'old' ELSE 'new' END, embedding: [1.0, 0.0]})",
    );
    const scanned = await scanAll(unnamed, 'embedding');
    assert.deepEqual(keysOf(scanned), ['m2', 'm3', 'm4']);
    assert.match(reasonFor(scanned, '"m1"'), /its model is "old", the others are "new"/);
    const old = await graph.open('legacy', KINDS, { space: { model: 'old' } });
    const ofOld = await scanAll(old, 'embedding');
    assert.deepEqual(keysOf(ofOld), ['m1']);
    assert.match(reasonFor(ofOld, '"m2"'), /its model is "new", the configuration says "old"/);
  });

  it('takes the dimension from the vector index before any majority', async () => {
    const { graph, store, plant } = current();
    const { memory } = graph.labels;
    await graph.run(`CREATE VECTOR INDEX ${memory} FOR (m:${memory}) ON m.embedding
      OPTIONS { indexConfig: { \`vector.dimensions\`: 2, \`vector.similarity_function\`: 'cosine' } }`);
    await plant(
      "UNWIND range(1, 4) AS i CREATE (:Memory {id: 'm' + i, agentId: 'a', model: 'test-model', embedding: CASE WHEN i = 1 THEN [1.0, 0.0] ELSE [1.0, 0.0, 0.0] END})",
    );
    const scanned = await scanAll(store, 'embedding');
    assert.deepEqual(keysOf(scanned), ['m1']);
    assert.equal(scanned.rejected.length, 3);
  });
});
