import { ChangeoverError } from '../../core/errors.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { StoreContext } from '../connector.ts';
import type { Neo4jClient } from './client.ts';
import { claimLabels, requireClaim } from './mark.ts';
import { LOCK_PROPERTY, type Names, quoted } from './names.ts';
import { awaitIndexes, runSchemaCommand, SCHEMA_TIMEOUT_MS } from './schema-command.ts';

/** A rule that the guard rests on: `MERGE` without it makes two nodes when two transactions meet. */
export interface UniqueRule {
  readonly label: string;
  readonly properties: readonly string[];
}

export interface SchemaScope {
  readonly client: Neo4jClient;
  readonly names: Names;
  readonly context: Pick<StoreContext, 'name' | 'role' | 'kinds'>;
}

const holdsGraph = (kinds: readonly Kind[]): boolean =>
  kinds.includes('agent') || kinds.includes('relationship');

/** The labels whose nodes belong to this store's role. */
export function labelsOf({ names, context }: SchemaScope): readonly string[] {
  return [
    ...(holdsGraph(context.kinds) ? [names.agent.label] : []),
    ...(context.kinds.includes('embedding') ? [names.memory.label] : []),
  ];
}

export function uniqueRules({ names, context }: SchemaScope): readonly UniqueRule[] {
  const { agent, memory, relationshipTombstone } = names;
  const graph: readonly UniqueRule[] = [
    { label: agent.label, properties: ['id'] },
    { label: agent.tombstone, properties: ['id'] },
    { label: relationshipTombstone, properties: ['key'] },
  ];
  const vectors: readonly UniqueRule[] = [
    { label: memory.label, properties: ['id'] },
    { label: memory.tombstone, properties: ['id'] },
  ];
  return [
    ...(holdsGraph(context.kinds) ? graph : []),
    ...(context.kinds.includes('embedding') ? vectors : []),
  ];
}

/** Makes the constraints, indexes and the mark of the role. Two processes may do it at once. */
export async function prepareSchema(scope: SchemaScope): Promise<void> {
  const { client, names, context } = scope;
  // Before the marks, which say that everything is there to write safely.
  await client.runAlone('CALL db.createProperty($name)', { name: LOCK_PROPERTY });
  await claimLabels(scope, labelsOf(scope));
  await makeUnique(client, uniqueRules(scope));
  if (context.role === 'target' && holdsGraph(context.kinds)) {
    const { label } = names.agent;
    for (const property of ['type', 'active']) {
      const name = quoted(`changeover_${label}_${property}`);
      await runSchemaCommand(
        client,
        `CREATE INDEX ${name} IF NOT EXISTS FOR (n:${quoted(label)}) ON (n.${property})`,
      );
    }
    await runSchemaCommand(
      client,
      'CREATE INDEX changeover_KNOWS_strength IF NOT EXISTS FOR ()-[r:KNOWS]-() ON (r.strength)',
    );
  }
  await awaitIndexes(client, [...uniqueRules(scope).map(({ label }) => label), 'KNOWS']);
}

/** Asked for first: only a constraint that is not there yet may take its time. */
export async function makeUnique(client: Neo4jClient, rules: readonly UniqueRule[]): Promise<void> {
  for (const rule of await missingOf(client, rules)) await makeConstraint(client, rule);
}

async function makeConstraint(client: Neo4jClient, { label, properties }: UniqueRule): Promise<void> {
  const name = quoted(`changeover_${label}_key`);
  const key = properties.map((property) => `n.${property}`).join(', ');
  await runSchemaCommand(
    client,
    `CREATE CONSTRAINT ${name} IF NOT EXISTS FOR (n:${quoted(label)}) REQUIRE (${key}) IS UNIQUE`,
    {},
    { timeoutMs: SCHEMA_TIMEOUT_MS },
  );
}

/** What is missing of the rules, by label. */
export async function missingRules(scope: SchemaScope): Promise<readonly string[]> {
  return (await missingOf(scope.client, uniqueRules(scope))).map(ruleName);
}

async function missingOf(client: Neo4jClient, rules: readonly UniqueRule[]): Promise<readonly UniqueRule[]> {
  const rows = await client.runAlone(
    `SHOW CONSTRAINTS YIELD type, entityType, labelsOrTypes, properties
     WHERE entityType = 'NODE' AND type IN ['UNIQUENESS', 'NODE_PROPERTY_UNIQUENESS', 'NODE_KEY']
     RETURN labelsOrTypes[0] AS label, properties`,
  );
  const there = new Set(
    rows.map((row) => ruleName({ label: row.get('label'), properties: row.get('properties') })),
  );
  return rules.filter((rule) => !there.has(ruleName(rule)));
}

function ruleName({ label, properties }: UniqueRule): string {
  return `:${label}(${properties.join(', ')})`;
}

/** Refuses to write where a rule or the lock is missing or the place is not marked as ours. */
export async function requirePrepared(scope: SchemaScope): Promise<void> {
  await requireClaim(scope, labelsOf(scope));
  await requireLock(scope);
  const missing = await missingRules(scope);
  if (missing.length === 0) return;
  throw new ChangeoverError(
    'mismatch',
    `${scope.client.where}: no uniqueness constraint on ${missing.join(', ')}`,
    { hint: 'Let the store be prepared again; without the constraint concurrent writes make duplicates.' },
  );
}

/** A copy of a database may have left out a name that no node has. */
async function requireLock({ client }: SchemaScope): Promise<void> {
  const [row] = await client.runAlone(
    'CALL db.propertyKeys() YIELD propertyKey WHERE propertyKey = $name RETURN count(*) > 0 AS known',
    { name: LOCK_PROPERTY },
  );
  if (row?.get('known') === true) return;
  throw new ChangeoverError(
    'mismatch',
    `${client.where}: the database does not know the property ${LOCK_PROPERTY}, by which nodes are locked`,
    { hint: 'Let the store be prepared again; without it concurrent writes overwrite each other.' },
  );
}

/** Whether keys of a label can be walked by an index; without one every chunk of a scan would read the whole label. */
export async function hasIdIndex(client: Neo4jClient, label: string): Promise<boolean> {
  const [row] = await client.runAlone(
    `SHOW INDEXES YIELD type, state, entityType, labelsOrTypes, properties
     WHERE entityType = 'NODE' AND type = 'RANGE' AND state = 'ONLINE'
       AND labelsOrTypes = [$label] AND properties = ['id']
     RETURN count(*) > 0 AS found`,
    { label },
  );
  return row?.get('found') === true;
}
