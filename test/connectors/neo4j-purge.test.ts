import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { neo4jConnector } from '../../connectors/neo4j/connector.ts';
import { upkeepContract } from '../contract/upkeep.ts';
import { testGraph } from './neo4j-graph.ts';

const HOLDINGS = [
  { role: 'legacy', kinds: ['embedding'] },
  { role: 'target', kinds: neo4jConnector.kinds.target },
] as const;

for (const { role, kinds } of HOLDINGS) {
  const graph = testGraph();
  after(() => graph.remove());

  upkeepContract(`Neo4j as ${role}`, {
    kinds,
    async open() {
      const store = await graph.open(role, kinds);
      await store.prepare();
      return store;
    },
    reopen: () => graph.open(role, kinds),
  });
}

it('a graph that was never prepared, or no longer is, loses no tombstone: no lock would hold', async () => {
  const graph = testGraph();
  try {
    const store = await graph.open('legacy', ['embedding']);
    const { memory } = graph.labels;
    await graph.run(`CREATE (:ChangeoverEmbeddingTombstone_${memory} {id: 'a', version: 1})`);
    const purge = async (): Promise<void> => {
      for await (const _ of store.upkeep?.purgeTombstones('embedding', 2) ?? []);
    };
    const none = async (): Promise<number> => (await store.upkeep?.countTombstones('embedding', 2))?.all ?? 0;
    assert.equal(await none(), 1);
    await assert.rejects(purge(), { name: 'ChangeoverError', retryable: false });
    assert.equal(await none(), 1);
    assert.deepEqual(
      (await graph.run('SHOW CONSTRAINTS YIELD labelsOrTypes')).filter((row) =>
        String(row.get('labelsOrTypes')).includes(memory),
      ),
      [],
    );
    await store.prepare();
    await purge();
    assert.equal(await none(), 0);
  } finally {
    await graph.remove();
  }
});
