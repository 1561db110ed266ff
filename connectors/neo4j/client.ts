import type { Record as Row } from 'neo4j-driver';
import type { Closable } from '../../core/service.ts';

export type { Row };
export type Parameters = Readonly<Record<string, unknown>>;

export interface Answer {
  readonly rows: readonly Row[];
  readonly nodesCreated: number;
  /** Whether it was tried before, and what came of that is not known. */
  readonly retried: boolean;
}

/**
 * Whose a transaction is. Triggers see it: what a follower and the graph writer write is not captured (again), what an
 * application writes is.
 */
export type Speaker = 'follower' | 'writer' | 'application';

export interface TransactionOptions {
  /** A follower, if nobody is named. */
  readonly speaker?: Speaker;
  /** In the place of `queryTimeoutMs`. */
  readonly timeoutMs?: number;
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
  transact<T>(work: (transaction: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * One statement in a transaction of its own, as safe as in `transact`; one way to the server and back instead of three.
   */
  statement(text: string, parameters?: Parameters): Promise<Answer>;
  /** The rows of such a statement. */
  query(text: string, parameters?: Parameters): Promise<readonly Row[]>;
  /** The rows of a statement whose answer may be larger than memory, in batches. */
  stream(text: string, parameters?: Parameters): AsyncIterable<readonly Row[]>;
  /** A statement about indexes and constraints, or one that manages its own transaction. */
  runAlone(
    text: string,
    parameters?: Parameters,
    options?: Pick<TransactionOptions, 'timeoutMs'>,
  ): Promise<readonly Row[]>;
  /** A statement on the database `system`, where triggers are managed. */
  runOnSystem(text: string, parameters?: Parameters): Promise<readonly Row[]>;
}
