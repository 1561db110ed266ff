/**
 * Faults of ours that the simulation must find: each is one small variation of a part of the simulated world, or a wrapper around a
 * part of the product. None of them is in the product.
 */
export const BUGS = {
  'commit-before-apply': 'a batch is committed when it is delivered, not when it was dealt with',
  'commit-delivered-on-close': 'a member that leaves in order commits what it was delivered, done or not',
  'guard-or-equal': 'the store applies a change whose version it holds already',
  'guard-missing': 'the store applies whatever comes',
  'tombstone-forgotten': 'a delete leaves nothing behind',
  'row-before-tombstone': 'the row is deleted before its tombstone stands',
  'content-before-version': 'a backfill reads the content of a row before its version',
  'generation-too-large':
    'what no captured write has touched is labelled with the time instead of the generation',
  'backfill-confirmed-early': 'the backfill writes down its progress before the log has confirmed it',
  'discarded-before-confirmed': 'the outbox is told to forget entries that the log has not confirmed',
  'published-backwards': 'the relay publishes the entries of a call in the wrong order',
  'overtaken-after-failure': 'calls that waited behind one that failed are published all the same',
  'first-of-a-key': 'of several changes of one key in a batch, the first wins',
  'old-generation-applied': 'a batch is applied though its partitions have moved',
  'work-not-awaited': 'a group is shared out anew without waiting for the work of its members',
  'tenure-ignored': 'a write is begun, or goes on, when the lease is over',
  'memory-not-forgotten': 'the sink relies on versions that it remembers from before the partitions moved',
  'dead-letter-after-commit': 'dead letters are written some time after the batch was committed',
  'retry-swallowed': 'a passing error of the store counts as applied',
  'partial-batch-done': 'a batch of which a part was applied counts as applied',
  'version-forgotten-by-delete': 'the origin forgets the version of what was deleted',
  'event-id-ignored': 'a write that is made again with its event id is done twice',
  'rejected-in-silence': 'what a store refuses counts as stale',
} as const;

export type Bug = keyof typeof BUGS;

export const ALL_BUGS = Object.keys(BUGS) as readonly Bug[];
