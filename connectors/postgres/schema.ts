import { ChangeoverError } from '../../core/errors.ts';
import type { StoreContext } from '../connector.ts';
import type { PostgresClient, Queries } from './client.ts';
import { checksumOf, MIGRATIONS } from './migrations.ts';

/** "chng", so that other programs' advisory locks are not ours. */
const LOCK_CLASS = 0x63686e67;

type Owner = Pick<StoreContext, 'name' | 'role'>;

/** What the schema says of itself; undefined where there is no schema of ours. */
export interface SchemaState {
  readonly migrations: ReadonlyMap<number, string>;
  readonly mark: { readonly role: string; readonly name: string } | undefined;
}

/**
 * Brings the schema to our newest migration and marks whose it is, all in one transaction and one process at a time: it
 * happens wholly or not at all.
 */
export async function prepareSchema(client: PostgresClient, schema: string, owner: Owner): Promise<void> {
  await client.transaction(async (queries) => {
    await queries.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [LOCK_CLASS, schema]);
    await createSchema(queries, schema);
    await queries.query(`SET LOCAL search_path TO "${schema}"`);
    await queries.query(`CREATE TABLE IF NOT EXISTS migrations (
      number int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now())`);
    await queries.query(`CREATE TABLE IF NOT EXISTS owner (
      only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), role text NOT NULL, name text NOT NULL,
      since timestamptz NOT NULL DEFAULT now())`);
    const place = `Schema ${schema} of Postgres at ${client.where}`;
    await takeOwnership(queries, owner, place);
    await migrate(queries, place);
  });
}

/** Looked for first, because CREATE SCHEMA IF NOT EXISTS asks for the right to create even where nothing is to do. */
async function createSchema(queries: Queries, schema: string): Promise<void> {
  const [row] = await queries.query<[boolean]>('SELECT to_regnamespace($1) IS NOT NULL', [schema]);
  if (row?.[0] !== true) await queries.query(`CREATE SCHEMA "${schema}"`);
}

async function takeOwnership(queries: Queries, owner: Owner, place: string): Promise<void> {
  await queries.query('INSERT INTO owner (role, name) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    owner.role,
    owner.name,
  ]);
  const [mark] = await queries.query<[string, string]>('SELECT role, name FROM owner');
  if (mark !== undefined && mark[0] !== owner.role) {
    throw new ChangeoverError(
      'conflict',
      `${place} belongs to ${mark[1]}, a ${mark[0]} store; ${owner.name} is a ${owner.role} store.`,
      { hint: 'Give the two stores different schemas or databases in the configuration.' },
    );
  }
}

async function migrate(queries: Queries, place: string): Promise<void> {
  const applied = new Map(
    await queries.query<[number, string]>('SELECT number, checksum FROM migrations ORDER BY number'),
  );
  const newest = MIGRATIONS.at(-1)?.number ?? 0;
  for (const number of applied.keys()) {
    if (number <= newest) continue;
    throw new ChangeoverError('mismatch', `${place} was prepared by a newer Changeover (step ${number}).`, {
      hint: 'Use that version, or newer.',
    });
  }
  for (const migration of MIGRATIONS) {
    const { number, name, sql } = migration;
    const checksum = checksumOf(migration);
    const found = applied.get(number);
    if (found === checksum) continue;
    if (found !== undefined) {
      throw new ChangeoverError('mismatch', `${place} was prepared by another step ${number} than ours.`, {
        hint: 'Use the version of Changeover that prepared it, or an empty schema.',
      });
    }
    await queries.query(sql);
    await queries.query('INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3)', [
      number,
      name,
      checksum,
    ]);
  }
}

/** Reads what `prepareSchema` left, for the probe. */
export async function readSchemaState(
  client: PostgresClient,
  schema: string,
): Promise<SchemaState | undefined> {
  const [row] = await client.query<[boolean]>('SELECT to_regclass($1) IS NOT NULL', [`"${schema}".owner`]);
  if (row?.[0] !== true) return undefined;
  const migrations = await client.query<[number, string]>(
    `SELECT number, checksum FROM "${schema}".migrations`,
  );
  const [mark] = await client.query<[string, string]>(`SELECT role, name FROM "${schema}".owner`);
  return {
    migrations: new Map(migrations),
    mark: mark === undefined ? undefined : { role: mark[0], name: mark[1] },
  };
}
