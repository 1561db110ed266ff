import type { Neo4jClient } from './client.ts';
import { LOCK_PROPERTY, quoted } from './names.ts';
import { BOOK, type OutboxNames } from './outbox-names.ts';
import { makeUnique, type UniqueRule } from './schema.ts';
import { awaitIndexes, runSchemaCommand, SCHEMA_TIMEOUT_MS } from './schema-command.ts';

/** What the outbox rests on: one drainer, one memory of each event. */
function uniqueRules({ relay, lost, event }: OutboxNames): readonly UniqueRule[] {
  return [
    { label: relay, properties: ['label'] },
    { label: lost, properties: ['label'] },
    { label: event, properties: ['id'] },
  ];
}

interface IndexRule {
  readonly name: string;
  readonly label: string;
  readonly properties: readonly string[];
}

/** Entries have one index, by their order: each further one costs every captured write an eighth of what it takes. */
function indexRules({ outbox, event }: OutboxNames): readonly IndexRule[] {
  return [
    { name: `changeover_${event}_at`, label: event, properties: ['at'] },
    // Last, because it says that everything is there.
    { name: `changeover_${outbox}_order`, label: outbox, properties: [BOOK.order] },
  ];
}

/** Makes constraints and indexes, as often as it is called. */
export async function makeOutbox(client: Neo4jClient, names: OutboxNames): Promise<void> {
  await client.runAlone('CALL db.createProperty($name)', { name: LOCK_PROPERTY });
  await makeUnique(client, uniqueRules(names));
  for (const { name, label, properties } of indexRules(names)) {
    const columns = properties.map((property) => `n.${property}`).join(', ');
    await runSchemaCommand(
      client,
      `CREATE INDEX ${quoted(name)} IF NOT EXISTS FOR (n:${quoted(label)}) ON (${columns})`,
    );
  }
  const rules = [...uniqueRules(names), ...indexRules(names)];
  await awaitIndexes(
    client,
    rules.map(({ label }) => label),
  );
}

/** Whether the outbox is there to be written to. */
export async function hasOutbox(client: Neo4jClient, { outbox }: OutboxNames): Promise<boolean> {
  const [row] = await client.runAlone(
    `SHOW INDEXES YIELD labelsOrTypes, properties WHERE labelsOrTypes = [$outbox] AND properties = [$order]
     RETURN count(*) > 0 AS found`,
    { outbox, order: BOOK.order },
  );
  return row?.get('found') === true;
}

/** Removes constraints, indexes and the memory of events; entries that were set aside stay. */
export async function removeOutbox(client: Neo4jClient, names: OutboxNames): Promise<void> {
  for (const { label } of uniqueRules(names).toReversed()) {
    await client.runAlone(`DROP CONSTRAINT ${quoted(`changeover_${label}_key`)} IF EXISTS`);
  }
  for (const { name } of indexRules(names)) {
    await client.runAlone(`DROP INDEX ${quoted(name)} IF EXISTS`);
  }
  for (const label of [names.relay, names.event]) {
    await client.runAlone(
      `MATCH (n:${quoted(label)}) CALL (n) { DELETE n } IN TRANSACTIONS OF 10000 ROWS`,
      {},
      { timeoutMs: SCHEMA_TIMEOUT_MS },
    );
  }
}
