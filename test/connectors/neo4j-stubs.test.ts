import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import type { EntityOf } from '../../schemas/change.ts';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
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

describe('the stubs that the Neo4j sink makes', () => {
  const graph = testGraph();
  let store: Store;
  before(async () => {
    store = await graph.open('target', ['agent', 'relationship']);
    await store.prepare();
  });
  afterEach(() => graph.clear());
  after(() => graph.remove());

  async function nodes(): Promise<readonly string[]> {
    const rows = await graph.run(
      `MATCH (n:${graph.labels.agent}) RETURN n.id + CASE WHEN size(keys(n)) = 1 THEN ' (stub)' ELSE '' END AS node
       ORDER BY node`,
    );
    return rows.map((row) => row.get('node'));
  }

  const statuses = async (changes: Parameters<Store['sink']['apply']>[0]) =>
    (await store.sink.apply(changes)).map(({ status }) => status);

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
});
