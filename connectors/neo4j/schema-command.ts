import { setTimeout as sleep } from 'node:timers/promises';
import { ChangeoverError } from '../../core/errors.ts';
import { retry } from '../../core/retry.ts';
import type { Neo4jClient, Parameters, TransactionOptions } from './client.ts';

/**
 * What reads all nodes of a label takes as long as there are nodes: what bounds other statements is no bound here. A server that is
 * gone is noticed all the same: it sends a sign of life every minute (`server.bolt.connection_keep_alive`), and the driver misses it.
 */
export const SCHEMA_TIMEOUT_MS = 60 * 60_000;
const LOOK_EVERY_MS = 100;
/** How the names of our constraints and indexes begin. */
const OUR_INDEXES = 'changeover_';

/**
 * Runs `CREATE … IF NOT EXISTS`. Two processes that make the same thing at once may deadlock or collide all the same;
 * whoever comes second finds it made.
 */
export async function runSchemaCommand(
  client: Neo4jClient,
  text: string,
  parameters: Parameters = {},
  options: Pick<TransactionOptions, 'timeoutMs'> = {},
): Promise<void> {
  await retry(() => client.runAlone(text, parameters, options), {
    policy: { attempts: 4, initialDelayMs: 100 },
    retryable: (error) => error instanceof ChangeoverError && (error.retryable || error.code === 'conflict'),
  });
}

/**
 * Resolves when no index of ours on these labels or types is being filled any more; throws where one cannot be. Others' indexes
 * are not waited for, as `db.awaitIndexes` would: one that somebody else fills may take hours.
 */
export async function awaitIndexes(client: Neo4jClient, labels: readonly string[]): Promise<void> {
  for (;;) {
    const rows = await client.runAlone(
      `SHOW INDEXES YIELD name, state, labelsOrTypes
       WHERE state <> 'ONLINE' AND name STARTS WITH $ours AND any(each IN labelsOrTypes WHERE each IN $labels)
       RETURN name, state`,
      { labels, ours: OUR_INDEXES },
    );
    const failed = rows.find((row) => row.get('state') === 'FAILED');
    if (failed !== undefined) {
      throw new ChangeoverError(
        'mismatch',
        `${client.where}: the index ${failed.get('name')} could not be filled.`,
        {
          hint: 'SHOW INDEXES YIELD name, failureMessage says why. Drop it, mend what it names, and start again.',
        },
      );
    }
    if (rows.length === 0) return;
    await sleep(LOOK_EVERY_MS);
  }
}
