import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Role, Store } from '../../connectors/connector.ts';
import type { EntityOf } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity, TEST_SPACE, unitVector } from '../support/entities.ts';
import { type TestGraph, testGraph } from './neo4j-graph.ts';

const V = 1_700_000_000_000_000;

const agentNamed = (id: string): EntityOf['agent'] => ({
  id,
  type: 'citizen',
  active: true,
  attributes: { age: 44, wage: 3.5 },
});

const tieBetween = (source: string, target: string, type = 'KNOWS'): EntityOf['relationship'] => ({
  source,
  target,
  type,
  strength: 50,
  since: 1_700_000_000_123,
  properties: {},
});

const keyOfTie = (source: string, target: string, type = 'KNOWS') => JSON.stringify([source, type, target]);

describe('what the Neo4j sink leaves in the graph', () => {
  let graph: TestGraph;
  let store: Store;
  beforeEach(async () => {
    graph = testGraph();
    await open('target', ['agent', 'relationship']);
  });
  afterEach(() => graph.remove());

  async function open(role: Role, kinds: readonly Kind[], changes: object = {}): Promise<void> {
    store = await graph.open(role, kinds, changes);
    await store.prepare();
  }

  async function nodes(): Promise<readonly string[]> {
    const rows = await graph.run(
      `MATCH (n:${graph.labels.agent}) RETURN n.id + CASE WHEN size(keys(n)) = 1 THEN ' (stub)' ELSE '' END AS node
       ORDER BY node`,
    );
    return rows.map((row) => row.get('node'));
  }

  const statuses = async (changes: Parameters<Store['sink']['apply']>[0]) =>
    (await store.sink.apply(changes)).map(({ status }) => status);

  it('is a graph as its users would have made it', async () => {
    await store.sink.apply([
      upsert('agent', agentNamed('ann'), V),
      upsert('agent', agentNamed('bob'), V),
      upsert('relationship', tieBetween('ann', 'bob'), V),
    ]);
    const [row] = await graph.run(
      `MATCH (a:${graph.labels.agent} {id: 'ann'})-[r:KNOWS]->(b)
       RETURN properties(a) = {id: 'ann', type: 'citizen', active: true, age: 44, wage: 3.5, _version: $version} AS agent,
         valueType(a.age) AS age, valueType(a.wage) AS wage, labels(a) AS labels, valueType(a._version) AS version,
         properties(r) = {strength: 50, since: datetime({epochMillis: 1700000000123}), migrated: true, _version: $version}
           AS tie, valueType(r.strength) AS strength, valueType(r.since) AS since`,
      { version: V },
    );
    assert.deepEqual(row?.toObject(), {
      agent: true,
      age: 'INTEGER NOT NULL',
      wage: 'FLOAT NOT NULL',
      labels: [graph.labels.agent],
      version: 'INTEGER NOT NULL',
      tie: true,
      strength: 'INTEGER NOT NULL',
      since: 'ZONED DATETIME NOT NULL',
    });
    const indexed = await graph.run(
      `SHOW INDEXES YIELD type, labelsOrTypes, properties, state WHERE type = 'RANGE'
         AND (labelsOrTypes = [$label] OR labelsOrTypes = ['KNOWS'] AND properties = ['strength'])
       RETURN labelsOrTypes[0] + '.' + properties[0] + ' ' + state AS index ORDER BY index`,
      { label: graph.labels.agent },
    );
    assert.deepEqual(
      indexed.map((entry) => entry.get('index')),
      [
        ...['active', 'id', 'type'].map((name) => `${graph.labels.agent}.${name} ONLINE`),
        'KNOWS.strength ONLINE',
      ],
    );
  });

  it('loses an attribute that is gone from the entity', async () => {
    await store.sink.apply([upsert('agent', agentNamed('ann'), V)]);
    await store.sink.apply([upsert('agent', { ...agentNamed('ann'), attributes: { age: 45 } }, V + 1)]);
    const [held] = await store.source.get('agent', ['ann']);
    assert.deepEqual(held?.entity?.attributes, { age: 45 });
  });

  it('has stubs for ends that are not there yet, which no reader takes for agents', async () => {
    await store.sink.apply([upsert('relationship', tieBetween('ann', 'bob'), V)]);
    assert.deepEqual(await nodes(), ['ann (stub)', 'bob (stub)']);
    assert.equal(await store.source.count('agent'), 0);
    assert.equal(await store.source.count('relationship'), 1);
    assert.deepEqual(await store.source.get('agent', ['ann', 'bob']), [undefined, undefined]);
    for await (const chunk of store.source.scan('agent', WHOLE_RANGE, { limit: 10 })) {
      assert.deepEqual([chunk.rows, chunk.rejected], [[], []]);
    }
    assert.deepEqual(await statuses([upsert('agent', agentNamed('ann'), 1)]), ['applied']);
    assert.deepEqual(await nodes(), ['ann', 'bob (stub)']);
    assert.equal(await store.source.count('agent'), 1);
  });

  it('loses a stub with its last relationship, and keeps an agent', async () => {
    await store.sink.apply([
      upsert('agent', agentNamed('ann'), V),
      upsert('relationship', tieBetween('ann', 'bob'), V),
      upsert('relationship', tieBetween('cid', 'bob'), V),
    ]);
    await store.sink.apply([removal('relationship', keyOfTie('ann', 'bob'), V + 1)]);
    assert.deepEqual(await nodes(), ['ann', 'bob (stub)', 'cid (stub)']);
    await store.sink.apply([removal('relationship', keyOfTie('cid', 'bob'), V + 1)]);
    assert.deepEqual(await nodes(), ['ann']);
  });

  it('keeps a deleted agent as a stub while it has relationships, and never takes them with it', async () => {
    await store.sink.apply([
      upsert('agent', agentNamed('ann'), V),
      upsert('agent', agentNamed('bob'), V),
      upsert('relationship', tieBetween('ann', 'bob'), V + 5),
    ]);
    assert.deepEqual(await statuses([removal('agent', 'bob', V + 1)]), ['applied']);
    assert.deepEqual(await nodes(), ['ann', 'bob (stub)']);
    assert.equal(await store.source.count('relationship'), 1);
    assert.deepEqual(await store.source.get('agent', ['bob']), [{ version: V + 1, entity: null }]);
    await store.sink.apply([removal('relationship', keyOfTie('ann', 'bob'), V + 6)]);
    assert.deepEqual(await nodes(), ['ann']);
    assert.deepEqual(await statuses([upsert('agent', agentNamed('bob'), V)]), ['stale']);
    assert.deepEqual(await nodes(), ['ann']);
  });

  it('keeps no stub of a change that comes too late', async () => {
    await store.sink.apply([removal('relationship', keyOfTie('ann', 'bob'), V + 5)]);
    assert.deepEqual(await statuses([upsert('relationship', tieBetween('ann', 'bob'), V)]), ['stale']);
    assert.deepEqual(await statuses([removal('relationship', keyOfTie('ann', 'bob'), V)]), ['stale']);
    await store.sink.apply([removal('agent', 'cid', V + 5)]);
    assert.deepEqual(await statuses([upsert('agent', agentNamed('cid'), V)]), ['stale']);
    assert.deepEqual(await nodes(), []);
  });

  it('keeps what an application wrote on a stub', async () => {
    await store.sink.apply([upsert('relationship', tieBetween('ann', 'bob'), V)]);
    await graph.run(`MATCH (n:${graph.labels.agent} {id: 'bob'}) SET n.type = 'own', n.active = true`);
    assert.equal((await store.source.get('agent', ['bob']))[0]?.entity?.type, 'own');
    await store.sink.apply([removal('relationship', keyOfTie('ann', 'bob'), V + 1)]);
    assert.deepEqual(await nodes(), ['bob']);
  });

  it('keeps every time that a change can carry', async () => {
    const times = [
      0,
      -1,
      999,
      8.64e15,
      8.64e15 + 1,
      -8.64e15 - 1,
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
    ];
    const ties = times.map((since, index) => ({ ...tieBetween('ann', `friend ${index}`), since }));
    await store.sink.apply(ties.map((tie) => upsert('relationship', tie, V)));
    const held = await store.source.get(
      'relationship',
      ties.map(({ source, target }) => keyOfTie(source, target)),
    );
    assert.deepEqual(
      held.map((one) => one?.entity?.since),
      times,
    );
  });

  it('makes one relationship of several that a legacy application made', async () => {
    const { agent } = graph.labels;
    await store.sink.apply([upsert('agent', agentNamed('ann'), V), upsert('agent', agentNamed('bob'), V)]);
    await graph.run(
      `MATCH (a:${agent} {id: 'ann'}), (b:${agent} {id: 'bob'}) UNWIND [7, 9, null] AS version
       CREATE (a)-[:KNOWS {strength: 1, _version: version}]->(b)`,
    );
    assert.deepEqual(await statuses([upsert('relationship', tieBetween('ann', 'bob'), 8)]), ['stale']);
    assert.equal(await store.source.count('relationship'), 3);
    assert.deepEqual(await statuses([upsert('relationship', tieBetween('ann', 'bob'), 10)]), ['applied']);
    assert.equal(await store.source.count('relationship'), 1);
  });

  it('lets relationships of many types, loops and both directions stand side by side', async () => {
    const ties = [
      tieBetween('a', 'b', 'KNOWS'),
      tieBetween('b', 'a', 'KNOWS'),
      tieBetween('a', 'a', 'KNOWS'),
      tieBetween('a', 'b', 'Vertraut_Ω'),
      tieBetween('a', 'b', '_x9'),
    ];
    await store.sink.apply(ties.map((tie) => upsert('relationship', tie, V)));
    const held = await store.source.get(
      'relationship',
      ties.map(({ source, target, type }) => keyOfTie(source, target, type)),
    );
    assert.deepEqual(
      held.map((one) => one?.entity),
      ties,
    );
    await store.sink.apply(
      ties.map(({ source, target, type }) => removal('relationship', keyOfTie(source, target, type), V + 1)),
    );
    assert.deepEqual(await nodes(), []);
  });

  it('rejects what it cannot hold, and applies the rest of the batch', async () => {
    const bad = { ...agentNamed('big'), type: 'x'.repeat(20_000) };
    const others = Array.from({ length: 20 }, (_, index) => upsert('agent', agentNamed(`n${index}`), V));
    const wrongKey = { ...upsert('agent', agentNamed('real'), V), key: 'other' };
    const outcomes = await store.sink.apply([
      ...others,
      upsert('agent', bad, V),
      upsert('agent', { ...agentNamed('half'), attributes: { text: '\ud800' } }, V),
      upsert('relationship', tieBetween('n1', 'n2', 'A`]->() DETACH DELETE (n) //'), V),
      removal('relationship', keyOfTie('n2', 'n1', 'A`]->() DETACH DELETE (n) //'), V),
      removal('relationship', 'no key', V),
      wrongKey,
    ]);
    assert.deepEqual(new Set(outcomes.slice(0, 20).map(({ status }) => status)), new Set(['applied']));
    const reasons = outcomes
      .slice(20)
      .map((outcome) => (outcome.status === 'rejected' ? outcome.reason : outcome.status));
    for (const [index, expected] of [
      /too large to index/,
      /half of a surrogate pair/,
      /not a name of letters/,
      /not a name of letters/,
      /Not the key of a relationship/,
      /not the key of its entity/,
    ].entries()) {
      assert.match(reasons[index] ?? '', expected);
    }
    assert.equal((await nodes()).length, 20);
  });

  it('says in its transactions that it is a follower, so that capture leaves them alone', async () => {
    const lock = graph.driver.session();
    const holder = await lock.beginTransaction();
    await holder.run(`CREATE (:${graph.labels.agent} {id: 'held'})`);
    const applying = store.sink.apply([upsert('agent', agentNamed('held'), V)]);
    let seen: readonly unknown[] = [];
    for (let attempt = 0; attempt < 50 && seen.length === 0; attempt++) {
      const rows = await graph.run(
        "SHOW TRANSACTIONS YIELD metaData WHERE metaData.changeover = 'follower' RETURN metaData",
      );
      seen = rows;
    }
    await holder.rollback();
    await lock.close();
    await applying;
    assert.ok(seen.length > 0);
  });

  it('takes embeddings of one space only, and makes their vector index when the dimension is known', async () => {
    const labels = { agent: `${graph.labels.agent}_old`, memory: graph.labels.memory };
    await open('legacy', ['agent', 'embedding'], { labels, space: TEST_SPACE });
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

  it('keeps the space that an embedding was written with, whatever the configuration says later', async () => {
    const labels = { agent: `${graph.labels.agent}_old`, memory: graph.labels.memory };
    await open('legacy', ['embedding'], { labels, space: TEST_SPACE });
    const memory = sampleEntity('embedding', { name: 'memory' });
    await store.sink.apply([upsert('embedding', memory, V)]);
    const later = await graph.open('legacy', ['embedding'], {
      labels,
      space: { model: 'new', revision: '9', metric: 'ip', normalised: false },
    });
    assert.deepEqual((await later.source.get('embedding', ['memory']))[0]?.entity?.space, TEST_SPACE);
  });
});
