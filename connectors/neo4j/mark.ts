import { ChangeoverError } from '../../core/errors.ts';
import type { StoreContext } from '../connector.ts';
import type { Neo4jClient } from './client.ts';
import { MARK_LABEL, quoted } from './names.ts';
import { runSchemaCommand } from './schema-command.ts';

interface ClaimScope {
  readonly client: Neo4jClient;
  readonly context: Pick<StoreContext, 'name' | 'role'>;
}

/**
 * Marks the labels as this role's, or throws `conflict` when they are marked as the other's. The constraint makes sure
 * that of two roles that come at once one is refused.
 */
export async function claimLabels(scope: ClaimScope, labels: readonly string[]): Promise<void> {
  const { client, context } = scope;
  await runSchemaCommand(
    client,
    `CREATE CONSTRAINT changeover_mark IF NOT EXISTS FOR (m:${MARK_LABEL}) REQUIRE m.label IS UNIQUE`,
  );
  await requireClaim(scope, labels, 'unmarked is fine');
  if (context.role === 'target') await requireNothingForeign(scope, labels);
  await client.query(
    `UNWIND $labels AS label
     MERGE (m:${MARK_LABEL} {label: label}) ON CREATE SET m.role = $role, m.store = $store`,
    { labels, role: context.role, store: context.name },
  );
  await requireClaim(scope, labels);
}

export interface Mark {
  readonly label: string;
  readonly role: string;
  readonly store: string;
}

export async function readMarks(client: Neo4jClient, labels: readonly string[]): Promise<readonly Mark[]> {
  const rows = await client.query(
    `MATCH (m:${MARK_LABEL}) WHERE m.label IN $labels
     RETURN m.label AS label, m.role AS role, m.store AS store ORDER BY label`,
    { labels },
  );
  return rows.map((row) => ({ label: row.get('label'), role: row.get('role'), store: row.get('store') }));
}

export async function requireClaim(
  { client, context }: ClaimScope,
  labels: readonly string[],
  unmarked: 'unmarked is fine' | 'marked' = 'marked',
): Promise<void> {
  const marks = await readMarks(client, labels);
  const other = marks.find((mark) => mark.role !== context.role);
  if (other !== undefined) {
    throw new ChangeoverError(
      'conflict',
      `${client.where}: the label ${other.label} belongs to ${other.store}, in the role ${other.role}; ` +
        `${context.name} is in the role ${context.role}`,
      { hint: 'Give the two roles labels of their own (labels.agent, labels.memory), or two databases.' },
    );
  }
  const missing = labels.find((label) => !marks.some((mark) => mark.label === label));
  if (missing === undefined || unmarked === 'unmarked is fine') return;
  throw new ChangeoverError('mismatch', `${client.where}: the label ${missing} is not prepared for writing`, {
    hint: 'Let the store be prepared first.',
  });
}

/** A legacy graph that was never prepared has no mark; a target that was pointed at it by mistake must not take it. */
async function requireNothingForeign({ client }: ClaimScope, labels: readonly string[]): Promise<void> {
  const marked = new Set((await readMarks(client, labels)).map((mark) => mark.label));
  for (const label of labels.filter((name) => !marked.has(name))) {
    const rows = await client.query(
      `MATCH (n:${quoted(label)}) WHERE n._version IS NULL RETURN n.id AS id LIMIT 1`,
    );
    if (rows.length === 0) continue;
    throw new ChangeoverError(
      'conflict',
      `${client.where}: the label ${label} has nodes already that Changeover did not write`,
      { hint: 'Give the target labels of its own (labels.agent, labels.memory), or a database of its own.' },
    );
  }
}
