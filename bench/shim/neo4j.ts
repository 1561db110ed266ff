import neo4j, { type Driver } from 'neo4j-driver';
import { neo4jConnector } from '../../connectors/neo4j/connector.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Neo4jAddress } from '../../stack/addresses.ts';
import { type Latencies, latencyTable, timeEach } from './latencies.ts';

/** Of installing and uninstalling, and as many before them: a server gets faster for some minutes after its start. */
const CYCLES = 4;
const WARM_UP_CYCLES = 4;
const ROUNDS = 3;
const WRITES = 150;
const AGENTS = 500;
const BULK = 5_000;

/** What the trigger adds to a transaction: single writes, and 5,000 creates in one. */
export async function benchNeo4jShim(address: Neo4jAddress): Promise<string> {
  const { url, user, password, database } = address;
  const options = neo4jConnector.options.parse({
    ...address,
    labels: { agent: 'BenchAgent', memory: 'BenchMemory' },
    outbox: { maxEntries: 1_000_000_000 },
  });
  const store = await neo4jConnector.open(options, {
    name: 'legacy.neo4j',
    role: 'legacy',
    kinds: neo4jConnector.kinds.legacy,
    logger: silentLogger,
    clock: systemClock,
    capture: { maxChangeBytes: 1_000_000, writer: 'bench' },
  });
  const driver = neo4j.driver(url, neo4j.auth.basic(user, password));
  try {
    await store.prepare();
    const { capture } = store;
    if (capture === undefined) throw new Error('No capture.');
    // The same graph without capture, under a label that the trigger knows nothing of, is written in turn with it.
    await driver.executeQuery(
      'CREATE CONSTRAINT bench_bare IF NOT EXISTS FOR (n:BareAgent) REQUIRE n.id IS UNIQUE',
    );
    const bare = [{ what: 'bare, no trigger in the database', label: 'BareAgent' }];
    const triggered = [
      { what: 'bare, beside the trigger', label: 'BareAgent' },
      { what: 'with the trigger', label: 'BenchAgent' },
    ];
    const tables = new Map<string, number[]>();
    const bulk = new Map<string, number[]>();
    for (let cycle = 0; cycle < WARM_UP_CYCLES + CYCLES; cycle++) {
      const isWarmUp = cycle < WARM_UP_CYCLES;
      await rounds(driver, database, bare, isWarmUp ? new Map() : tables, isWarmUp ? new Map() : bulk);
      await capture.install();
      await rounds(driver, database, triggered, isWarmUp ? new Map() : tables, isWarmUp ? new Map() : bulk);
      await clear(driver, 'ChangeoverOutbox_BenchAgent');
      await capture.uninstall();
    }
    const latencies = [...tables].map(([what, milliseconds]): Latencies => ({ what, milliseconds }));
    const bulks = [...bulk].map(([what, milliseconds]): Latencies => ({ what, milliseconds }));
    return [
      'Single writes (MERGE of an agent with four properties in a transaction of its own):',
      latencyTable(latencies),
      `${BULK} creates in one transaction:`,
      latencyTable(bulks),
    ].join('\n\n');
  } finally {
    for (const label of ['BareAgent', 'BenchAgent', 'ChangeoverOutbox_BenchAgent'])
      await clear(driver, label);
    await driver.close();
    await store.close();
  }
}

type Variant = { readonly what: string; readonly label: string };

async function rounds(
  driver: Driver,
  database: string,
  variants: readonly Variant[],
  singles: Map<string, number[]>,
  bulk: Map<string, number[]>,
): Promise<void> {
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { what, label } of variants) {
      const milliseconds = await timeEach(WRITES, (index) =>
        writeOne(driver, database, label, round * WRITES + index),
      );
      const create = await timeEach(1, () => createMany(driver, database, label));
      await clear(driver, label);
      if (round === 0) continue;
      singles.set(what, [...(singles.get(what) ?? []), ...milliseconds]);
      bulk.set(what, [...(bulk.get(what) ?? []), ...create]);
    }
  }
}

async function writeOne(driver: Driver, database: string, label: string, index: number): Promise<void> {
  await driver.executeQuery(
    `MERGE (n:${label} {id: $id}) SET n.type = 'citizen', n.active = true, n.name = $name, n.age = $age`,
    { id: `a${index % AGENTS}`, name: `Name ${index}`, age: neo4j.int(index % 90) },
    { database },
  );
}

async function createMany(driver: Driver, database: string, label: string): Promise<void> {
  await driver.executeQuery(
    `UNWIND range(1, ${BULK}) AS i CREATE (:${label} {id: 'bulk ' + i, type: 'citizen', active: true, name: 'Name ' + i, age: i % 90})`,
    {},
    { database },
  );
}

async function clear(driver: Driver, label: string): Promise<void> {
  const session = driver.session();
  try {
    await session.run(`MATCH (n:${label}) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS`);
  } finally {
    await session.close();
  }
}
