import assert from 'node:assert/strict';
import type { Fault } from './fault.ts';
import { Proof } from './proof.ts';
import { everybodyIn, membersNow } from './watch-groups.ts';

/** The session of a consumer lasts 6 s in the test's configuration. */
const PAST_SESSION_MS = 9_000;
/** A claim of an outbox in a server lasts 10 s. */
const PAST_CLAIM_MS = 12_000;
/** Who stopped with the dictionary's claim keeps it: it is the process' own. */
const CLAIMS_END = ['neo4j', 'redis'] as const;

/** Processes that are stopped for so long that others take their places, and that go on then as if nothing had been. */
export const SLEEPING_FAULTS: readonly Fault[] = [
  {
    name: 'a consumer sleeps past its session and wakes up',
    outOfReach: {},
    strike: async (world) => {
      await everybodyIn(world);
      const before = await membersNow(world);
      const [zombie] = world.lives('run');
      zombie?.strike('SIGSTOP');
      try {
        await world.pause(PAST_SESSION_MS);
        const now = await membersNow(world);
        const gone = [...before].filter((member) => !now.has(member));
        return () => Proof.counted(gone.length, 'memberships lost in sleep', world.followers.size);
      } finally {
        zombie?.strike('SIGCONT');
      }
    },
  },
  {
    name: 'a relay sleeps past its claim and wakes up',
    outOfReach: {},
    strike: async ({ lives, pause, places }) => {
      for (const each of lives('relay')) each.strike('SIGSTOP');
      try {
        await pause(PAST_CLAIM_MS);
        // Somebody else has the claims when they wake up.
        const stores = CLAIMS_END.join(',');
        const { code, stdout, stderr } = await places.migration.cli(
          ...['relay', '--stores', stores, '--until-empty'],
        );
        assert.equal(code, 0, stderr);
        const published = CLAIMS_END.map((store) => publishedOf(stdout, store));
        return () =>
          Proof.all(
            Proof.counted(published[0] ?? 0, `entries of ${CLAIMS_END[0]} published by another relay`),
            Proof.counted(published[1] ?? 0, `of ${CLAIMS_END[1]}`),
          );
      } finally {
        for (const each of lives('relay')) each.strike('SIGCONT');
      }
    },
  },
];

/** `legacy.redis: 1,200 entries published, 3 of them again` */
function publishedOf(stdout: string, store: string): number {
  const found = new RegExp(`legacy\\.${store}: ([\\d,]+) entr(?:y|ies) published`).exec(stdout)?.[1];
  if (found === undefined)
    throw new Error(`The relay does not say what it has published of ${store}: ${stdout}`);
  return Number(found.replaceAll(',', ''));
}
