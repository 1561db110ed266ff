import { auth, type Driver, driver as openDriver, type Record as Row } from 'neo4j-driver';
import type { Role, Store } from '../../connectors/connector.ts';
import { neo4jConnector } from '../../connectors/neo4j/connector.ts';
import { type Neo4jOptions, neo4jOptions } from '../../connectors/neo4j/options.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { TEST_SPACE } from '../support/entities.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';

/** Labels of a test's own on the shared server, a bare client to look at them with, and their removal. */
export interface TestGraph {
  readonly labels: Neo4jOptions['labels'];
  readonly driver: Driver;
  options(changes?: object): Neo4jOptions;
  open(role: Role, kinds: readonly Kind[], changes?: object): Promise<Store>;
  run(text: string, parameters?: object): Promise<readonly Row[]>;
  /** Removes all nodes of these labels; what was prepared stays. */
  clear(): Promise<void>;
  /** Removes everything of these labels, and closes what was opened. */
  remove(): Promise<void>;
}

export function testGraph(): TestGraph {
  const { url, user, password, database } = testStack().neo4j;
  const labels = { agent: uniqueName('Agent'), memory: uniqueName('Memory') };
  const driver = openDriver(url, auth.basic(user, password), { telemetryDisabled: true });
  const opened: Store[] = [];

  const run: TestGraph['run'] = async (text, parameters = {}) =>
    (await driver.executeQuery(text, parameters, { database })).records;
  const options: TestGraph['options'] = (changes = {}) =>
    neo4jOptions.parse({ url, user, password, database, labels, space: TEST_SPACE, ...changes });

  return {
    labels,
    driver,
    run,
    options,
    async open(role, kinds, changes = {}) {
      const store = await neo4jConnector.open(options(changes), {
        name: `${role}.neo4j`,
        role,
        kinds,
        logger: silentLogger,
        clock: systemClock,
      });
      opened.push(store);
      return store;
    },
    clear: () => removeNodes(run, labels),
    async remove() {
      for (const store of opened) await store.close();
      await removeLabels(run, labels);
      await driver.close();
    },
  };
}

function belongsTo(labels: Neo4jOptions['labels']): (name: unknown) => boolean {
  return (name) => Object.values(labels).some((label) => String(name).includes(label));
}

async function removeNodes(run: TestGraph['run'], labels: Neo4jOptions['labels']): Promise<void> {
  const ours = belongsTo(labels);
  for (const row of await run('CALL db.labels() YIELD label RETURN label')) {
    if (ours(row.get('label'))) await run(`MATCH (n:\`${row.get('label')}\`) DETACH DELETE n`);
  }
}

async function removeLabels(run: TestGraph['run'], labels: Neo4jOptions['labels']): Promise<void> {
  const ours = belongsTo(labels);
  for (const row of await run('SHOW CONSTRAINTS YIELD name, labelsOrTypes')) {
    if (ours(row.get('labelsOrTypes'))) await run(`DROP CONSTRAINT \`${row.get('name')}\` IF EXISTS`);
  }
  for (const row of await run('SHOW INDEXES YIELD name, labelsOrTypes')) {
    if (ours(row.get('labelsOrTypes'))) await run(`DROP INDEX \`${row.get('name')}\` IF EXISTS`);
  }
  await removeNodes(run, labels);
  await run('MATCH (m:ChangeoverMark) WHERE m.label IN $labels DELETE m', { labels: Object.values(labels) });
}
