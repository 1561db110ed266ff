import { randomBytes } from 'node:crypto';
import neo4j, { type Session } from 'neo4j-driver';
import type { Neo4jAddress } from '../../stack/addresses.ts';

const BATCH = 2_000;

export interface RawGraph {
  nodes(count: number): Promise<number>;
  relationships(count: number, nodes: number): Promise<number>;
  close(): Promise<void>;
}

/** The fastest hand-written loops: MERGE by a unique id with a version guard, one session, one batch after another. */
export async function openRawGraph({ url, user, password, database }: Neo4jAddress): Promise<RawGraph> {
  const driver = neo4j.driver(url, neo4j.auth.basic(user, password));
  const session = driver.session({ database });
  const label = `Raw${randomBytes(4).toString('hex')}`;
  await session.run(`CREATE CONSTRAINT ${label} FOR (n:${label}) REQUIRE n.id IS UNIQUE`);
  return {
    nodes: (count) =>
      inBatches(
        session,
        count,
        (index) => ({
          id: `n${index}`,
          props: { name: `Name ${index}`, age: index % 90, city: 'Springfield' },
        }),
        `
        UNWIND $rows AS row MERGE (n:${label} {id: row.id})
        WITH n, row WHERE n._version IS NULL OR n._version < 1
        SET n += row.props, n._version = 1`,
      ),
    relationships: (count, nodes) =>
      inBatches(
        session,
        count,
        (index) => ({
          source: `n${index % nodes}`,
          target: `n${(index * 7 + Math.floor(index / nodes) + 1) % nodes}`,
        }),
        `
        UNWIND $rows AS row MATCH (a:${label} {id: row.source}), (b:${label} {id: row.target})
        MERGE (a)-[r:KNOWS]->(b)
        WITH r WHERE r._version IS NULL OR r._version < 1
        SET r._version = 1, r.strength = 50.0`,
      ),
    close: async () => {
      await session.run(`MATCH (n:${label}) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS`);
      await session.run(`DROP CONSTRAINT ${label}`);
      await session.close();
      await driver.close();
    },
  };
}

async function inBatches(
  session: Session,
  count: number,
  rowOf: (index: number) => Record<string, unknown>,
  query: string,
): Promise<number> {
  for (let start = 0; start < count; start += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, count - start) }, (_, index) => rowOf(start + index));
    rows.sort((left, right) => (String(left.source ?? left.id) < String(right.source ?? right.id) ? -1 : 1));
    await session.executeWrite((transaction) => transaction.run(query, { rows }).then(() => undefined));
  }
  return count;
}
