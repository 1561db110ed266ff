import { after } from 'node:test';
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
