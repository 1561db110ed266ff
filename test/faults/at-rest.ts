import type { World } from './fault.ts';
import type { Reading } from './follower-counts.ts';
import { Proof } from './proof.ts';
import { everybodyIn } from './watch-groups.ts';

/** What has been put before the followers. */
export interface Put {
  /** What they had counted before. */
  readonly since: Reading;
  /** How many records of all that comes to each follower from then on, and how many of these are poison. */
  readonly records: ReadonlyMap<string, { readonly all: number; readonly poison: number }>;
}

/** Whose session has ended meanwhile, on a machine that is too busy, gets records twice, and that shows nothing. */
const ATTEMPTS = 3;

/**
 * What becomes of records that every follower has got already, or newer, where nothing else comes to any of them: each one has been
 * looked at, none was applied. Applications go on writing; what feeds the log rests.
 */
export async function countedAtRest(world: World, put: () => Promise<Put>): Promise<Proof> {
  const feeding = [...world.lives('relay'), ...world.lives('backfill')];
  await Promise.all(feeding.map((each) => each.pause()));
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      await everybodyIn(world);
      await world.caughtUp();
      const proof = await count(world, await put());
      if (proof !== undefined) return proof;
    }
    throw new Error(`Members of the groups were lost in each of ${ATTEMPTS} attempts to count.`);
  } finally {
    for (const each of feeding) each.resume();
  }
}

/** Undefined where somebody may have got records twice. */
async function count(world: World, { since, records }: Put): Promise<Proof | undefined> {
  await world.caughtUp();
  const proofs: Proof[] = [];
  for (const [store, { all, poison }] of records) {
    const { consumed, applied, stale, losses } = await world.counts.increase(since, store, all);
    if (losses > 0) return undefined;
    const of = `of ${all} at rest for ${store}`;
    if (applied !== 0) throw new Error(`${applied} ${of} were applied, though it had all of them.`);
    Proof.exactly(consumed, `consumed ${of}`, all);
    proofs.push(Proof.exactly(stale, `stale ${of}`, all - poison));
  }
  const [first, ...others] = proofs;
  if (first === undefined) throw new Error('Nobody follows.');
  return Proof.all(first, ...others);
}
