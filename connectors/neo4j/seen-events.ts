import { REMEMBER_EVENTS_MS } from '../outbox-options.ts';
import type { Neo4jClient, Transaction } from './client.ts';
import { quoted } from './names.ts';
import type { OutboxNames } from './outbox-names.ts';
import { readVersion, storedNumber } from './values.ts';

/** So many are forgotten at a time. */
const FORGET = 10_000;

/**
 * Which of the event ids were seen before, and the versions that came of them. From here on the transaction holds the
 * others: whoever comes with one of them waits for it. (Sorted, so that nobody waits in a circle.)
 */
export async function seenEvents(
  transaction: Transaction,
  { event }: OutboxNames,
  ids: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (ids.length === 0) return new Map();
  const { rows } = await transaction.run(
    `UNWIND $ids AS id MERGE (e:${quoted(event)} {id: id}) ON CREATE SET e.at = timestamp()
     RETURN id, e.version AS version`,
    { ids: ids.toSorted() },
  );
  const seen = new Map<string, number>();
  for (const row of rows) {
    const version = readVersion(row.get('version'));
    if (version !== null) seen.set(row.get('id'), version);
  }
  return seen;
}

export async function rememberEvents(
  transaction: Transaction,
  { event }: OutboxNames,
  versions: readonly (readonly [id: string, version: number])[],
): Promise<void> {
  if (versions.length === 0) return;
  await transaction.run(
    `UNWIND range(0, size($ids) - 1) AS i MATCH (e:${quoted(event)} {id: $ids[i]}) SET e.version = $versions[i]`,
    { ids: versions.map(([id]) => id), versions: versions.map(([, version]) => storedNumber(version)) },
  );
}

/** Forgets those that are old enough. */
export async function forgetEvents(client: Neo4jClient, { event }: OutboxNames): Promise<void> {
  await client.query(
    `MATCH (e:${quoted(event)}) WHERE e.at < timestamp() - $age WITH e LIMIT $most DELETE e`,
    { age: storedNumber(REMEMBER_EVENTS_MS), most: storedNumber(FORGET) },
  );
}
