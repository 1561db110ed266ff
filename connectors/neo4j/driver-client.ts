import { setTimeout as sleep } from 'node:timers/promises';
import {
  auth,
  type Driver,
  isRetryableError,
  type ManagedTransaction,
  type Neo4jError,
  driver as openDriver,
  type QueryResult,
  type Session,
} from 'neo4j-driver';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { retry } from '../../core/retry.ts';
import { unlessAborted } from '../../core/service.ts';
import type {
  Answer,
  Neo4jClient,
  Parameters,
  Row,
  Speaker,
  Transaction,
  TransactionOptions,
} from './client.ts';
import { neo4jError } from './errors.ts';
import type { Neo4jOptions } from './options.ts';

/** What our transactions carry, so that capture in the same database leaves them alone (no loop begins). */
const METADATA: Readonly<Record<Speaker, object>> = {
  follower: { changeover: 'follower' },
  writer: { changeover: 'writer' },
  application: {},
};
const FOLLOWER = METADATA.follower;

const SYSTEM = 'system';

const PASSING_RETRY = { attempts: Number.POSITIVE_INFINITY, maxDelayMs: 1_000 } as const;
const CONFLICT_RETRY = { attempts: 5, initialDelayMs: 10, maxDelayMs: 500 } as const;

function isPassingConflict(error: unknown): boolean {
  return error instanceof ChangeoverError && error.code === 'conflict' && error.retryable;
}

/** Beyond what the server is told, for the way there and back. */
const GRACE_MS = 5_000;
const STREAM_BATCH = 5_000;
/** A server that does not answer is not waited for. */
const CLOSE_WITHIN_MS = 2_000;
/** A statement that reads a whole label is long by nature; each batch of it must come in time. */
const STREAM_TIMEOUT_MS = 3_600_000;

/** A driver in use. Everybody shares it, so that when it is given up, nobody waits for it any longer. */
interface OpenDriver {
  readonly driver: Driver;
  readonly givenUp: AbortController;
}

/** The client on the official driver. */
export class DriverClient implements Neo4jClient {
  readonly where: string;
  readonly database: string;
  readonly #options: Neo4jOptions;
  readonly #password: string;
  readonly #logger: Logger;
  #open: OpenDriver | undefined;
  #closed = false;

  constructor(options: Neo4jOptions, password: string, logger: Logger) {
    this.where = `Neo4j at ${options.url}, database ${options.database}`;
    this.database = options.database;
    this.#options = options;
    this.#password = password;
    this.#logger = logger;
  }

  async transact<T>(
    work: (transaction: Transaction) => Promise<T>,
    { speaker = 'follower', timeoutMs = this.#options.queryTimeoutMs }: TransactionOptions = {},
  ): Promise<T> {
    return await this.#despiteConflicts(
      (session) =>
        session.executeWrite((transaction) => work(statementsOf(transaction)), {
          timeout: timeoutMs,
          metadata: METADATA[speaker],
        }),
      timeoutMs,
    );
  }

  async statement(text: string, parameters: Parameters = {}): Promise<Answer> {
    const { queryTimeoutMs, retryTimeMs } = this.#options;
    const config = { timeout: queryTimeoutMs, metadata: FOLLOWER };
    return await this.#despiteConflicts((session) => {
      // As the driver does for the transactions that it manages.
      const untilMs = performance.now() + retryTimeMs;
      return retry(async (attempt) => answerOf(await session.run(text, parameters, config), attempt > 1), {
        policy: PASSING_RETRY,
        retryable: (error) =>
          error instanceof Error && isRetryableError(error as Neo4jError) && performance.now() < untilMs,
      });
    });
  }

  async query(text: string, parameters: Parameters = {}): Promise<readonly Row[]> {
    return (await this.statement(text, parameters)).rows;
  }

  /** What somebody else deleted between two steps of ours is no failure that the driver would try again. */
  async #despiteConflicts<T>(
    work: (session: Session) => Promise<T>,
    timeoutMs = this.#options.queryTimeoutMs,
  ): Promise<T> {
    const attempt = (): Promise<T> => this.#inSession(timeoutMs + this.#options.retryTimeMs, work);
    return await retry(attempt, { policy: CONFLICT_RETRY, retryable: isPassingConflict });
  }

  async runAlone(
    text: string,
    parameters: Parameters = {},
    { timeoutMs }: Pick<TransactionOptions, 'timeoutMs'> = {},
  ): Promise<readonly Row[]> {
    return await this.#runAlone(text, parameters, this.database, timeoutMs);
  }

  async runOnSystem(text: string, parameters: Parameters = {}): Promise<readonly Row[]> {
    return await this.#runAlone(text, parameters, SYSTEM);
  }

  async #runAlone(
    text: string,
    parameters: Parameters,
    database: string,
    timeout = this.#options.queryTimeoutMs,
  ): Promise<readonly Row[]> {
    const work = async (session: Session) =>
      (await session.run(text, parameters, { timeout, metadata: FOLLOWER })).records;
    return await this.#inSession(timeout, work, database);
  }

  async *stream(text: string, parameters: Parameters = {}): AsyncGenerator<readonly Row[]> {
    const open = this.#opened();
    const session = open.driver.session({ database: this.database, fetchSize: STREAM_BATCH });
    const timeoutMs = this.#options.queryTimeoutMs + GRACE_MS;
    try {
      const result = session.run(text, parameters, { timeout: STREAM_TIMEOUT_MS, metadata: FOLLOWER });
      const rows = result[Symbol.asyncIterator]();
      for (;;) {
        const batch = await this.#withDeadline(open, timeoutMs, take(rows, STREAM_BATCH));
        if (batch.length > 0) yield batch;
        if (batch.length < STREAM_BATCH) return;
      }
    } catch (error) {
      throw neo4jError(error, this.where);
    } finally {
      await this.#letGo(open, session);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    const over = new AbortController();
    const late = sleep(CLOSE_WITHIN_MS, undefined, { signal: over.signal }).catch(() => {});
    await Promise.race([open.driver.close(), late]).finally(() => over.abort());
    // What still waits for a server that does not answer waits no longer.
    open.givenUp.abort(new ChangeoverError('aborted', `${this.where}: the connection was closed`));
  }

  async #inSession<T>(
    timeoutMs: number,
    work: (session: Session) => Promise<T>,
    database: string = this.database,
  ): Promise<T> {
    const open = this.#opened();
    // Every answer is bounded by its statement, so it is fetched in one go.
    const session = open.driver.session({ database, fetchSize: -1 });
    try {
      return await this.#withDeadline(open, timeoutMs + GRACE_MS, work(session));
    } catch (error) {
      throw neo4jError(error, this.where);
    } finally {
      await this.#letGo(open, session);
    }
  }

  #opened(): OpenDriver {
    if (this.#closed) throw new ChangeoverError('aborted', `${this.where}: the connection was closed`);
    const { url, user, poolSize, connectTimeoutMs, retryTimeMs } = this.#options;
    this.#open ??= {
      driver: openDriver(url, auth.basic(user, this.#password), {
        maxConnectionPoolSize: poolSize,
        connectionTimeout: connectTimeoutMs,
        connectionAcquisitionTimeout: connectTimeoutMs * 2,
        maxTransactionRetryTime: retryTimeMs,
        notificationFilter: { minimumSeverityLevel: 'OFF' },
        telemetryDisabled: true,
        userAgent: 'changeover',
      }),
      givenUp: new AbortController(),
    };
    return this.#open;
  }

  /**
   * A peer that vanished never answers, and the driver waits for ever: after the deadline the driver and all of its
   * connections are thrown away, and the next call opens a new one. Whoever else waits for it is told at once.
   */
  async #withDeadline<T>(open: OpenDriver, timeoutMs: number, work: Promise<T>): Promise<T> {
    // What becomes of it when nobody waits any longer is of no interest.
    work.catch(() => {});
    let late: ChangeoverError | undefined;
    const timer = setTimeout(() => {
      const hint = 'Check the server and the network to it, or raise queryTimeoutMs.';
      late = new ChangeoverError('timeout', `${this.where}: no answer for ${timeoutMs} ms`, { hint });
      this.#giveUp(open);
    }, timeoutMs);
    try {
      return await unlessAborted(work, open.givenUp.signal);
    } catch (error) {
      throw late ?? error;
    } finally {
      clearTimeout(timer);
    }
  }

  #giveUp(open: OpenDriver): void {
    if (this.#open === open) this.#open = undefined;
    const message = `${this.where}: its connections were given up, because another call had no answer in time`;
    const hint = 'Check the server and the network to it.';
    open.givenUp.abort(new ChangeoverError('unreachable', message, { hint }));
    open.driver.close().catch((error: unknown) => {
      this.#logger.debug({ error: messageOf(error) }, 'closing a driver that does not answer');
    });
  }

  /** Closing waits for the server, so a session of a driver that was thrown away is left to it. */
  async #letGo(open: OpenDriver, session: Session): Promise<void> {
    if (this.#open !== open) return;
    try {
      await this.#withDeadline(open, GRACE_MS, session.close());
    } catch (error) {
      this.#logger.debug({ error: messageOf(error) }, 'closing a session failed');
    }
  }
}

function statementsOf(transaction: ManagedTransaction): Transaction {
  return {
    async run(text, parameters = {}) {
      return answerOf(await transaction.run(text, parameters));
    },
  };
}

function answerOf({ records, summary }: QueryResult, retried = false): Answer {
  return { rows: records, nodesCreated: summary.counters.updates().nodesCreated, retried };
}

async function take<T>(items: AsyncIterator<T>, limit: number): Promise<readonly T[]> {
  const taken: T[] = [];
  while (taken.length < limit) {
    const next = await items.next();
    if (next.done === true) break;
    taken.push(next.value);
  }
  return taken;
}
