import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Sink, Store } from '../../connectors/connector.ts';
import type { Change, EntityOf } from '../../schemas/change.ts';
import { removal, upsert } from '../support/changes.ts';
import { testGraph } from './neo4j-graph.ts';

const V = 1_700_000_000_000_000;

const agentNamed = (id: string): EntityOf['agent'] => ({ id, type: 'citizen', active: true, attributes: {} });

/** Every second has properties, every third another type, and all share few ends. */
const tieNumber = (number: number): EntityOf['relationship'] => ({
  source: `knot ${(number * 7) % 40}`,
  target: `knot ${(number * 11 + Math.floor(number / 40)) % 40}`,
  type: number % 3 === 0 ? 'TRUSTS' : 'KNOWS',
  strength: number % 100,
  since: null,
  properties: number % 2 === 0 ? { note: `note ${number}` } : {},
});

describe('the transactions of the Neo4j sink that run side by side', () => {
  const graph = testGraph();
  let store: Store;
  let other: Store;
  before(async () => {
    const sizes = { batchSize: 10, sessions: 3 };
    store = await graph.open('target', ['agent', 'relationship'], sizes);
    await store.prepare();
    other = await graph.open('target', ['agent', 'relationship'], sizes);
  });
  afterEach(() => graph.clear());
  after(() => graph.remove());

  it('give each change its own outcome, whatever came of its neighbours', async () => {
    const ids = Array.from({ length: 97 }, (_, index) => `agent ${(index * 31) % 97}`);
    const isNewer = (index: number) => index % 4 === 0;
    const isGone = (index: number) => index % 5 === 0;
    await store.sink.apply(
      ids.filter((_, index) => isNewer(index)).map((id) => upsert('agent', agentNamed(id), V + 9)),
    );
    await store.sink.apply(ids.filter((_, index) => isGone(index)).map((id) => removal('agent', id, V + 10)));
    // An index of the operator's own.
    await graph.run(`CREATE INDEX IF NOT EXISTS FOR (n:${graph.labels.agent}) ON (n.note)`);
    const bad = { ...agentNamed('too large'), attributes: { note: 'x'.repeat(20_000) } };
    const changes = [...ids.map((id) => upsert('agent', agentNamed(id), V + 5)), upsert('agent', bad, V)];
    const outcomes = await store.sink.apply(changes);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      [...ids.map((_, index) => (isNewer(index) || isGone(index) ? 'stale' : 'applied')), 'rejected'],
    );
    const alive = ids.filter((_, index) => !isGone(index)).length;
    assert.equal(await store.source.count('agent'), alive);
    const [row] = await graph.run(`MATCH (n:${graph.labels.agent}) RETURN count(n) AS nodes`);
    assert.equal(Number(row?.get('nodes')), alive, 'what was made in vain is gone');
  });

  it('leave the newest of each relationship, when two sinks write what shares its ends', async () => {
    const numbers = Array.from({ length: 300 }, (_, number) => number);
    const round = (sink: Sink, version: number, differ: number) => {
      const changes = numbers.map((number): Change => {
        const tie = { ...tieNumber(number), strength: (number + differ) % 100 };
        return upsert('relationship', tie, version + number);
      });
      return sink.apply(changes);
    };
    await Promise.all([round(store.sink, V, 1), round(other.sink, V + 1_000, 2)]);
    await Promise.all([round(store.sink, V + 3_000, 3), round(other.sink, V + 2_000, 4)]);
    const expected = new Map(
      numbers.map((number) => {
        const tie = { ...tieNumber(number), strength: (number + 3) % 100 };
        return [
          JSON.stringify([tie.source, tie.type, tie.target]),
          { version: V + 3_000 + number, entity: tie },
        ];
      }),
    );
    const held = await store.source.get('relationship', [...expected.keys()]);
    assert.deepEqual(held, [...expected.values()]);
    assert.equal(await store.source.count('relationship'), expected.size);
  });
});
