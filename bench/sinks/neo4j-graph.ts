import { randomBytes } from 'node:crypto';
import type { Driver } from 'neo4j-driver';

/** Labels of a benchmark's own, and their removal. */
export interface BenchGraph {
  newLabel(): string;
  /** One with the constraint and the indexes that ours has. */
  label(): Promise<string>;
  /** Removes all nodes of these labels. */
  clear(): Promise<void>;
  remove(): Promise<void>;
}

export function benchGraph(driver: Driver, database: string): BenchGraph {
  const prefix = `Bench${randomBytes(4).toString('hex')}`;
  let labels = 0;
  const run = async (text: string, parameters: object = {}) =>
    (await driver.executeQuery(text, parameters, { database })).records;
  const newLabel = (): string => `${prefix}n${labels++}`;

  async function clear(): Promise<void> {
    // In transactions of its own making, which a driver's may not hold.
    const session = driver.session({ database });
    for (const row of await run('CALL db.labels() YIELD label RETURN label')) {
      const label = String(row.get('label'));
      if (label.includes(prefix))
        await session.run(`MATCH (n:\`${label}\`) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS`);
    }
    await session.close();
    await run('MATCH (m:ChangeoverMark) WHERE m.label STARTS WITH $prefix DELETE m', { prefix });
  }

  return {
    newLabel,
    clear,
    async label() {
      const label = newLabel();
      await run(`CREATE CONSTRAINT \`${label}_id\` FOR (n:${label}) REQUIRE n.id IS UNIQUE`);
      for (const property of ['type', 'active'])
        await run(`CREATE INDEX \`${label}_${property}\` FOR (n:${label}) ON (n.${property})`);
      await run('CALL db.awaitIndexes()');
      return label;
    },
    async remove() {
      await clear();
      for (const what of ['CONSTRAINT', 'INDEX'] as const) {
        for (const row of await run(`SHOW ${what === 'INDEX' ? 'INDEXES' : 'CONSTRAINTS'} YIELD name`)) {
          const name = String(row.get('name'));
          if (name.includes(prefix)) await run(`DROP ${what} \`${name}\` IF EXISTS`);
        }
      }
    },
  };
}
