import type { Clock } from '../../core/clock.ts';
import type { Neo4jClient } from './client.ts';

/**
 * A transaction that was on its way into the store when the trigger became active has passed it by, and is visible only a
 * moment later: a backfill that begins in between would read what was there before, and nothing in the log would follow. What
 * has not begun to commit by then is captured. Committing takes milliseconds, so who still holds locks after this time has
 * not begun to.
 */
const COMMITTED_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;

/** Resolves when no transaction is under way any more that had written and may have passed the trigger by. */
export async function writesSettled(client: Neo4jClient, clock: Clock): Promise<void> {
  const untilMs = clock.elapsedMs() + COMMITTED_WITHIN_MS;
  let left = await writing(client);
  while (left.size > 0 && clock.elapsedMs() < untilMs) {
    await clock.sleep(LOOK_EVERY_MS);
    const now = await writing(client);
    left = new Set([...left].filter((id) => now.has(id)));
  }
}

/** Who writes holds locks. */
async function writing(client: Neo4jClient): Promise<Set<string>> {
  const rows = await client.runAlone(
    `SHOW TRANSACTIONS YIELD database, transactionId, activeLockCount
     WHERE database = $database AND activeLockCount > 0 RETURN transactionId AS id`,
    { database: client.database },
  );
  return new Set(rows.map((row) => String(row.get('id'))));
}
