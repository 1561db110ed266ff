import { after } from 'node:test';
import type { Role } from '../../connectors/connector.ts';
import { neo4jConnector } from '../../connectors/neo4j/connector.ts';
import { testGraph } from '../connectors/neo4j-graph.ts';
import { storeContract } from './store.ts';

const ROLES: readonly Role[] = ['legacy', 'target'];

for (const role of ROLES) {
  const graph = testGraph();
  const kinds = neo4jConnector.kinds[role];
  after(() => graph.remove());

  storeContract(`Neo4j as ${role}`, {
    kinds,
    async open() {
      const store = await graph.open(role, kinds);
      await store.prepare();
      return store;
    },
    reopen: () => graph.open(role, kinds),
  });
}
