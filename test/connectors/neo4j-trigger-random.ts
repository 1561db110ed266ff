/** Transactions such as an application might make, drawn at random from a seed. */

export interface Statement {
  readonly text: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

export type Random = () => number;

/** Mulberry32 (Tommy Ettinger): small, seeded, good enough to draw examples. */
export function randomOf(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const TEXTS: readonly string[] = [
  `MERGE (n:Agent {id: $id}) SET n.type = 'citizen', n.active = true, n.n = $n`,
  `MERGE (n:Agent {id: $id}) SET n += {type: 'worker', active: false, m: $n}`,
  `MATCH (n:Agent {id: $id}) SET n.n = $n`,
  `MATCH (n:Agent {id: $id}) SET n = {id: $id, type: 'other', active: true, k: $n}`,
  `MATCH (n:Agent {id: $id}) REMOVE n.n`,
  `MATCH (n:Agent {id: $id}) DETACH DELETE n`,
  `MATCH (n:Agent {id: $id}) OPTIONAL MATCH (n)-[r]-() DELETE r WITH DISTINCT n DELETE n
   CREATE (:Agent {id: $id, type: 'again', active: true, n: $n})`,
  `MATCH (n:Agent {id: $id}) REMOVE n:Agent SET n:Agent_off`,
  `MATCH (n:Agent_off {id: $id}) WITH n LIMIT 1 WHERE NOT EXISTS { (:Agent {id: $id}) } SET n:Agent REMOVE n:Agent_off`,
  `MATCH (n:Agent {id: $id}) WHERE NOT EXISTS { (:Agent {id: $other}) } SET n.id = $other`,
  `MATCH (s:Agent {id: $id}), (t:Agent {id: $other}) MERGE (s)-[r:KNOWS]->(t) SET r.strength = $n`,
  `MATCH (s:Agent {id: $id}), (t:Agent {id: $other}) MERGE (s)-[r:TRUSTS]->(t) SET r.strength = $n, r.since = date()`,
  `MATCH (s:Agent {id: $id}), (t:Agent {id: $other}) CREATE (s)-[r:KNOWS {strength: $n}]->(t)`,
  `MATCH (s:Agent {id: $id})-[r]->(t:Agent {id: $other}) SET r.n = $n`,
  `MATCH (s:Agent {id: $id})-[r]->(t:Agent {id: $other}) WITH r LIMIT 1 DELETE r`,
  `MATCH (s:Agent {id: $id})-[r:KNOWS]->(t) DELETE r`,
  `MERGE (m:Memory {id: $id}) SET m.agentId = $other, m.model = 'test-model', m.embedding = $vector, m.n = $n`,
  `MATCH (m:Memory {id: $id}) SET m.n = $n`,
  `MATCH (m:Memory {id: $id}) DETACH DELETE m`,
  `MATCH (m:Memory {id: $id}) REMOVE m.embedding`,
  `MATCH (m:Memory {id: $id}), (a:Agent {id: $other}) MERGE (a)-[:REMEMBERS]->(m)`,
];

const IDS = ['a', 'b', 'c', 'd', 'e'];
const MOST_STATEMENTS = 4;

export function randomTransaction(random: Random): readonly Statement[] {
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = (items: readonly string[]) => items[below(items.length)] ?? '';
  return Array.from({ length: 1 + below(MOST_STATEMENTS) }, () => ({
    text: pick(TEXTS),
    parameters: {
      id: pick(IDS),
      other: pick(IDS),
      n: below(100),
      vector: Array.from({ length: 8 }, () => random()),
    },
  }));
}
