/** Ways to get it wrong. The specification with none of them is what the product does; with one of them it must fail. */
export const MUTATIONS = {
  'label-is-clock': 'the backfill labels what it reads with the clock, read before the rows',
  'content-before-version': 'the backfill reads the content first, then the version',
  'generation-above-versions': 'the generation of a backfill is greater than captured versions',
  'guard-takes-equal': 'a follower also applies a change of the version that it holds',
  'tombstone-forgotten': 'a follower forgets a key when it is deleted',
  'discard-before-confirmed': 'the relay takes an entry out of the outbox when it has sent it',
  'recreate-forgets-delete': 'the origin forgets the version of a key when it is deleted',
  'stamp-is-clock': 'a version is what the clock says, and not max(last + 1, clock)',
  'no-lock': 'a key is not locked between the stamp and the commit of a write',
  'dirty-read': 'the backfill reads what is not committed',
  'entry-is-pointer': 'the outbox says which key was written, and the relay reads its state when it sends',
  'capture-after-write': 'the outbox entry is written after the commit, which a crash can prevent',
  'install-does-not-wait': 'the backfill begins while a write that capture does not see is under way',
  'progress-before-confirmed': 'the backfill writes down what it has sent, before the log has confirmed it',
  'offset-before-apply': 'a consumer commits an offset before it has applied the change',
  'guard-in-two-steps': 'a follower reads the version first and writes later, with two consumers at work',
} as const;

export type Mutation = keyof typeof MUTATIONS;

/** Null for the specification as it is. */
export type Rules = Mutation | null;
