import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import type { Stubs } from '../../connectors/upkeep.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { testGraph } from './neo4j-graph.ts';

const V = 1_700_000_000_000_000;

const tie = (source: string, target: string) => ({
  source,
  target,
  type: 'KNOWS',
  strength: 50,
  since: null,
  properties: {},
});

describe('cleaning the stubs of a graph', () => {
  const graph = testGraph();
  let store: Store;
  let stubs: Stubs;
  before(async () => {
    store = await graph.open('target', ['agent', 'relationship']);
    await store.prepare();
    assert.ok(store.upkeep?.stubs !== undefined);
    stubs = store.upkeep.stubs;
  });
  afterEach(() => graph.clear());
  after(() => graph.remove());

  const label = graph.labels.agent;
  /** As a process leaves them that was killed between the lock of a key and the removal of what was made for it. */
  const leave = (ids: readonly string[]) =>
    graph.run(`UNWIND $ids AS id CREATE (:${label}:ChangeoverStub_${label} {id: id})`, { ids });
  const clean = async (of = stubs, limit = 3): Promise<number> => {
    let removed = 0;
    for await (const some of of.removeIdle({ limit })) removed += some;
    return removed;
  };
  const ids = async (): Promise<readonly string[]> =>
    (await graph.run(`MATCH (n:${label}) RETURN n.id AS id ORDER BY id`)).map((row) => row.get('id'));

  it('removes those that no relationship needs, and says which agents have not come', async () => {
    await store.sink.apply([
      upsert('agent', { ...sampleEntity('agent', { name: 'ann' }), id: 'ann' }, V),
      upsert('agent', { ...sampleEntity('agent', { name: 'dan' }), id: 'dan' }, V),
      upsert('relationship', tie('ann', 'never came'), V + 5),
      upsert('relationship', tie('ann', 'dan'), V + 5),
    ]);
    await store.sink.apply([removal('agent', 'dan', V + 1)]);
    await leave(['idle 1', 'idle 2', 'idle 3', 'idle 4', `o'hara "x"\n😀`]);
    assert.deepEqual(await stubs.count(), { idle: 5, awaited: 1, deleted: 1, examples: ['never came'] });
    assert.equal(await clean(), 5);
    assert.deepEqual(await ids(), ['ann', 'dan', 'never came']);
    assert.equal(await store.source.count('relationship'), 2);
    assert.deepEqual(await stubs.count(), { idle: 0, awaited: 1, deleted: 1, examples: ['never came'] });
    assert.equal(await clean(), 0);
  });

  it('leaves alone a stub on which an application has written, and a node of its own that has nothing but an id', async () => {
    await leave(['written']);
    await graph.run(`MATCH (n:${label} {id: 'written'}) SET n.type = 'own', n.active = true`);
    await graph.run(`CREATE (:${label} {id: 'bare'})`);
    assert.deepEqual(await stubs.count(), { idle: 0, awaited: 0, deleted: 0, examples: [] });
    assert.equal(await clean(), 0);
    assert.deepEqual(await ids(), ['bare', 'written']);
  });

  it('takes none that a sink needs at that moment: no relationship and no agent is lost', async () => {
    const other = await graph.open('target', ['agent', 'relationship']);
    const otherStubs = other.upkeep?.stubs;
    assert.ok(otherStubs !== undefined);
    const done = new AbortController();
    let removed = 0;
    const cleaning = (async () => {
      while (!done.signal.aborted) removed += await clean(otherStubs);
    })();
    const names = Array.from({ length: 12 }, (_, index) => `raced ${index}`);
    const ties = names.map((name, index) => tie(name, names[(index + 1) % names.length] ?? ''));
    try {
      for (let round = 0; round < 20; round++) {
        const version = V + round * 10;
        await leave([`left ${round} a`, `left ${round} b`]);
        await store.sink.apply(ties.map((each) => upsert('relationship', each, version)));
        assert.equal(await store.source.count('relationship'), names.length, `round ${round}`);
        if (round === 19) break;
        const keys = ties.map(({ source, target }) => JSON.stringify([source, 'KNOWS', target]));
        await store.sink.apply(keys.map((key) => removal('relationship', key, version + 1)));
      }
    } finally {
      done.abort();
      await cleaning;
    }
    removed += await clean();
    assert.ok(removed > 0, 'nothing was removed, so nothing was shown');
    assert.equal(await store.source.count('relationship'), names.length);
    assert.deepEqual(await ids(), names.toSorted());
  });
});
