import { fullOutbox } from '../outbox-errors.ts';
import type { OutboxOptions } from '../outbox-options.ts';
import type { Neo4jClient, Transaction } from './client.ts';
import { LOCK_PROPERTY, quoted } from './names.ts';
import { BOOK, type OutboxNames } from './outbox-names.ts';
import { readScalar, storedNumber } from './values.ts';

/** How many entries there are; both are read off the server's own counters. */
export interface OutboxState {
  readonly entries: number;
  readonly setAside: number;
  readonly oldestUs: number | null;
  readonly lostSinceUs: number | null;
}

export async function outboxState(client: Neo4jClient, names: OutboxNames): Promise<OutboxState> {
  const count = (label: string) => `MATCH (o:${quoted(label)}) RETURN count(o) AS value`;
  const oldest = `MATCH (o:${quoted(names.outbox)}) WHERE o.${BOOK.order} > 0
    RETURN o.${BOOK.at} AS value ORDER BY o.${BOOK.order} LIMIT 1`;
  const lost = `MATCH (l:${quoted(names.lost)} {label: $label}) RETURN l.since AS value`;
  const [entries, setAside, oldestUs, lostSinceUs] = await client.transact((transaction) =>
    Promise.all([
      numberAt(transaction, count(names.outbox)),
      numberAt(transaction, count(names.aside)),
      numberAt(transaction, oldest),
      numberAt(transaction, lost, { label: names.lost }),
    ]),
  );
  return { entries: entries ?? 0, setAside: setAside ?? 0, oldestUs, lostSinceUs };
}

async function numberAt(
  transaction: Transaction,
  text: string,
  parameters: object = {},
): Promise<number | null> {
  const { rows } = await transaction.run(text, { ...parameters });
  const value = readScalar(rows[0]?.get('value'));
  return value === undefined ? null : Number(value);
}

/** Whether the outbox takes entries. Throws `outbox-full` where it does not and its policy is to refuse. */
export async function hasRoom(
  transaction: Transaction,
  { outbox }: OutboxNames,
  { maxEntries, whenFull }: OutboxOptions,
  where: string,
): Promise<boolean> {
  const entries = await numberAt(transaction, `MATCH (o:${quoted(outbox)}) RETURN count(o) AS value`);
  if ((entries ?? 0) < maxEntries) return true;
  if (whenFull === 'drop') return false;
  throw fullOutbox(where, entries ?? 0);
}

/** Remembers when writes first and last went uncaptured. */
export async function noteLoss(transaction: Transaction, { lost }: OutboxNames, atUs: number): Promise<void> {
  await transaction.run(
    `MERGE (l:${quoted(lost)} {label: $label}) ON CREATE SET l.since = $at SET l.last = $at`,
    { label: lost, at: storedNumber(atUs) },
  );
}

/** What was lost after that time stays lost. */
export async function acceptLoss(client: Neo4jClient, { lost }: OutboxNames, untilUs: number): Promise<void> {
  const until = storedNumber(untilUs);
  await client.transact(async (transaction) => {
    // The lock first: a writer may be noting another loss.
    await transaction.run(`MATCH (l:${quoted(lost)}) REMOVE l.${LOCK_PROPERTY}`);
    await transaction.run(`MATCH (l:${quoted(lost)}) WHERE l.last <= $until DELETE l`, { until });
    await transaction.run(
      `MATCH (l:${quoted(lost)}) WHERE l.since <= $until SET l.since = toInteger($until) + 1`,
      { until },
    );
  });
}
