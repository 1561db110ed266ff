import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import type { EntityOf } from '../../schemas/change.ts';
import { removal, upsert } from '../support/changes.ts';
import { testGraph } from './neo4j-graph.ts';

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
  const graph = testGraph();
  let store: Store;
  before(async () => {
    store = await graph.open('target', ['agent', 'relationship']);
    await store.prepare();
  });
  afterEach(() => graph.clear());
  after(() => graph.remove());

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
    assert.equal(await store.source.count('relationship'), 0);
  });

  it('rejects what it cannot hold, and applies the rest of the batch', async () => {
    // An index of the operator's own.
    await graph.run(`CREATE INDEX FOR (n:${graph.labels.agent}) ON (n.note)`);
    const bad = { ...agentNamed('big'), attributes: { note: 'x'.repeat(20_000) } };
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
      /its key is "other", but its entity's is real/,
    ].entries()) {
      assert.match(reasons[index] ?? '', expected);
    }
    assert.equal(await store.source.count('agent'), 20);
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
});
