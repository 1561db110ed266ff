import type { Random, Statement } from './neo4j-trigger-random.ts';

/** Small transactions, mostly of nodes alone, drawn at random: what an application may do, and what it had better not. */

/** Versions above it are counted from what the store held; below it they are of the clock. */
export const FAR = 8_000_000_000_000_000;

const TEXTS: readonly string[] = [
  `MERGE (n:Agent {id: $id}) SET n.type = 'x', n.active = true, n.n = $n`,
  `MERGE (n:Agent {id: $id}) SET n += {type: 'y', active: false, m: $n}`,
  `MERGE (n:Agent {id: $id}) SET n = {id: $id, type: 'z', active: true, k: $n}`,
  `MATCH (n:Agent {id: $id}) SET n = {id: $id, type: 'z', active: true, _version: $far}`,
  `MATCH (n:Agent {id: $id}) SET n.n = $n`,
  `MATCH (n:Agent) SET n.n = $n`,
  `MATCH (n:Agent {id: $id}) REMOVE n.n`,
  `MATCH (n:Agent {id: $id}) REMOVE n._version, n.m`,
  `MATCH (n:Agent {id: $id}) SET n._version = $n`,
  `MATCH (n:Agent {id: $id}) SET n._version = 'none'`,
  `MATCH (n:Agent {id: $id}) SET n._version = $far, n.n = $n`,
  `MATCH (n:Agent {id: $id}) DETACH DELETE n`,
  `OPTIONAL MATCH (n:Agent {id: $id}) DETACH DELETE n WITH count(*) AS gone
   CREATE (:Agent {id: $id, type: 'again', active: true, n: $n})`,
  `MATCH (n:Agent {id: $id}) REMOVE n:Agent SET n:Agent_off`,
  `MATCH (n:Agent_off {id: $id}) WITH n LIMIT 1 WHERE NOT EXISTS { (:Agent {id: $id}) } SET n:Agent REMOVE n:Agent_off`,
  `MATCH (n:Agent {id: $id}) WHERE NOT EXISTS { (:Agent {id: $other}) } SET n.id = $other`,
  `MATCH (n:Agent {id: $id}) SET n.id = $n REMOVE n.gone`,
  `MATCH (n:Agent {id: $id}) SET n.id = 'other ' + $id SET n.id = $id`,
  `MATCH (n:Agent {id: $id}) REMOVE n.id`,
  `MATCH (n:Agent) WHERE n.id IS NULL AND NOT EXISTS { (:Agent {id: $id}) } WITH n ORDER BY n.type, n.active, n.n, n.m, n.k LIMIT 1 SET n.id = $id`,
  `CREATE (n:Agent {type: 'x', active: true}) WITH n WHERE NOT EXISTS { (:Agent {id: $id}) } SET n.id = $id`,
  `MERGE (n:Agent_else {id: $id}) SET n.n = $n`,
  `MATCH (s:Agent {id: $id}), (t:Agent {id: $other}) MERGE (s)-[r:KNOWS]->(t) SET r.strength = $n`,
  `MATCH (s:Agent {id: $id})-[r]->() WITH r LIMIT 1 DELETE r`,
  // A node that waits for its entity, as a follower leaves it.
  `MERGE (n:Agent {id: $id}) ON CREATE SET n:Stub`,
  `MERGE (n:Memory {id: $id}) ON CREATE SET n:MemoryStub`,
  `MERGE (n:Memory {id: $id}) SET n.agentId = $other, n.model = 'test-model', n.embedding = $vector, n.n = $n`,
  `MERGE (n:Memory {id: $id}) SET n = {id: $id, agentId: $other, model: 'test-model', embedding: $vector}`,
  `MERGE (n:Memory {id: $id}) SET n.text = 'no vector yet', n.agentId = $other`,
  `MATCH (n:Memory {id: $id}) SET n.model = 'test-model', n.embedding = $vector`,
  `MATCH (n:Memory {id: $id}) SET n.n = $n`,
  `MATCH (n:Memory {id: $id}) SET n._version = $far, n.n = $n`,
  `MATCH (n:Memory {id: $id}) REMOVE n._version`,
  `MATCH (n:Memory {id: $id}) REMOVE n.embedding`,
  `MATCH (n:Memory {id: $id}) DETACH DELETE n`,
  `MATCH (n:Memory {id: $id}) WHERE n.embedding IS NOT NULL SET n.embedding = $wrong`,
];

const IDS = ['a', 'b', 'c', 'd'];
const MOST_STATEMENTS = 3;

export function smallTransaction(random: Random): readonly Statement[] {
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = (items: readonly string[]) => items[below(items.length)] ?? '';
  return Array.from({ length: 1 + below(MOST_STATEMENTS) }, () => ({
    text: pick(TEXTS),
    parameters: {
      id: pick(IDS),
      other: pick(IDS),
      n: below(100),
      far: FAR + below(1_000),
      vector: Array.from({ length: 8 }, () => random()),
      wrong: [1, 2, 3],
    },
  }));
}
