import { ChangeoverError } from '../../core/errors.ts';
import type { Neo4jClient, Transaction } from './client.ts';
import { LOCK_PROPERTY, quoted } from './names.ts';
import { storedNumber } from './values.ts';

/** Without renewal, a claim ends after this. */
export const LEASE_MS = 10_000;

/**
 * The right to drain one outbox: a node with the token of who has it, and until when, by the server's clock. It is read
 * under its lock (names.ts: the name of what is read is a parameter, so that it is not read before).
 */
export class Lease {
  readonly #client: Neo4jClient;
  readonly #node: string;
  readonly #key: { readonly label: string; readonly token: string };

  constructor(client: Neo4jClient, label: string, token: string) {
    this.#client = client;
    this.#node = `(r:${quoted(label)} {label: $label}) REMOVE r.${LOCK_PROPERTY}`;
    this.#key = { label, token };
  }

  /** Takes it where nobody has it. */
  async take(): Promise<boolean> {
    return await this.#keep('MERGE', 'coalesce(r[$until] <= now, true) OR r[$holder] = $token');
  }

  /** Keeps it. False when somebody else has taken it since. */
  async renew(): Promise<boolean> {
    return await this.#keep('MATCH', 'r[$holder] = $token');
  }

  async #keep(find: 'MERGE' | 'MATCH', where: string): Promise<boolean> {
    const rows = await this.#client.query(
      `${find} ${this.#node} WITH r, timestamp() AS now WHERE ${where}
       SET r.token = $token, r.until = now + $ms RETURN true AS held`,
      { ...this.#key, ms: storedNumber(LEASE_MS), until: 'until', holder: 'token' },
    );
    return rows.length > 0;
  }

  async giveUp(): Promise<void> {
    await this.#client.query(
      `MATCH ${this.#node} WITH r WHERE r[$holder] = $token SET r.token = null, r.until = 0`,
      { ...this.#key, holder: 'token' },
    );
  }

  /** Runs the work in one transaction, and takes it back when somebody else has the lease. */
  async fenced(work: (transaction: Transaction) => Promise<unknown>): Promise<void> {
    await this.#client.transact(async (transaction) => {
      // Sent together: the lock is held before the work begins, and until both are committed.
      const [{ rows }] = await Promise.all([
        transaction.run(`MATCH ${this.#node} WITH r WHERE r[$holder] = $token RETURN true AS held`, {
          ...this.#key,
          holder: 'token',
        }),
        work(transaction),
      ]);
      if (rows.length > 0) return;
      throw new ChangeoverError('conflict', `${this.#client.where}: another process drains the outbox now`, {
        hint: 'Let this relay start again; it then waits until the other one ends.',
      });
    });
  }
}
