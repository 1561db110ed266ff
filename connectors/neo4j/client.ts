import { readFile } from 'node:fs/promises';
import type { Record as Row } from 'neo4j-driver';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Closable } from '../../core/service.ts';
import { DriverClient } from './driver-client.ts';
import type { Neo4jOptions } from './options.ts';
import { requireSupported } from './server-version.ts';

export type { Row };
export type Parameters = Readonly<Record<string, unknown>>;

export interface Answer {
  readonly rows: readonly Row[];
  readonly nodesCreated: number;
}

/** One open transaction. Statements that are started together go to the server together and run in that order. */
export interface Transaction {
  run(text: string, parameters?: Parameters): Promise<Answer>;
}

export interface Neo4jClient extends Closable {
  /** Where it is, for messages. */
  readonly where: string;
  readonly database: string;
  /**
   * Runs the work in a transaction, again while it fails for a passing reason (for at most `retryTimeMs`), and commits.
   * The work must have no effect outside the transaction.
   */
  transact<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** One statement in a transaction of its own. */
  query(text: string, parameters?: Parameters): Promise<readonly Row[]>;
  /** The rows of a statement whose answer may be larger than memory, in batches. */
  stream(text: string, parameters?: Parameters): AsyncIterable<readonly Row[]>;
  /** A statement about indexes and constraints, or one that manages its own transaction. */
  runAlone(text: string, parameters?: Parameters): Promise<readonly Row[]>;
}

/** Opens a client and asks the server for a sign of life and its version. */
export async function openClient(options: Neo4jOptions, logger: Logger): Promise<Neo4jClient> {
  const client = new DriverClient(options, await passwordOf(options), logger);
  try {
    await requireSupported(client);
  } catch (error) {
    await client.close();
    throw error;
  }
  return client;
}

async function passwordOf({ password = '', passwordFile }: Neo4jOptions): Promise<string> {
  if (passwordFile === undefined) return password;
  try {
    return (await readFile(passwordFile, 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    const hint = 'Correct passwordFile, or let this user read it.';
    throw new ChangeoverError('config', `passwordFile: ${messageOf(error)}`, { hint, cause: error });
  }
}
