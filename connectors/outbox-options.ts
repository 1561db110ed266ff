import { z } from 'zod';

/** Options of the outbox, the same in every store that has one. */
export const outboxOptions = z.strictObject({
  maxEntries: z
    .int()
    .min(1)
    .max(1_000_000_000)
    .default(1_000_000)
    .describe('Entries that may wait for the log before the outbox counts as full.'),
  whenFull: z
    .enum(['refuse', 'drop'])
    .default('refuse')
    .describe(
      'What becomes of a write when the outbox is full: refuse it, or make it uncaptured, which needs a new backfill.',
    ),
});

export type OutboxOptions = z.infer<typeof outboxOptions>;

/** For how long a store remembers the event ids of writes. */
export const REMEMBER_EVENTS_MS = 24 * 60 * 60_000;
