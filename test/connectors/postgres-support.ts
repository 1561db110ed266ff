import pg from 'pg';
import type { Store, StoreContext } from '../../connectors/connector.ts';
import { openPostgres, type PostgresClient } from '../../connectors/postgres/client.ts';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import { type PostgresOptions, postgresOptions } from '../../connectors/postgres/options.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';

/** Options that point at the shared server and at a schema of the test's own. */
export function testOptions(overrides: Readonly<Record<string, unknown>> = {}): PostgresOptions {
  const { host, port, user, password, database } = testStack().postgres;
  return postgresOptions.parse({ host, port, user, password, database, schema: uniqueName(), ...overrides });
}

export const testContext: StoreContext = {
  name: 'target.postgres',
  role: 'target',
  kinds: postgresConnector.kinds.target,
  logger: silentLogger,
  clock: systemClock,
};

export function openStore(options: PostgresOptions): Promise<Store> {
  return postgresConnector.open(options, testContext);
}

export function openClient(options: PostgresOptions): Promise<PostgresClient> {
  return openPostgres(options, silentLogger);
}

/** The server as an operator sees it, past everything of ours. */
export async function asAdmin<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const { host, port, user, password, database } = testStack().postgres;
  const client = new pg.Client({ host, port, user, password, database });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export async function dropSchema(schema: string): Promise<void> {
  await asAdmin((client) => client.query(`DROP SCHEMA IF EXISTS ${pg.escapeIdentifier(schema)} CASCADE`));
}
