import type { KillPoint } from '../live/kill-plan.ts';
import { type Role, TARGET_STORES } from '../live/plan.ts';
import type { Fault } from './fault.ts';
import { Proof } from './proof.ts';
import { SLEEPING_FAULTS } from './sleep-faults.ts';
import { everybodyIn, membersNow } from './watch-groups.ts';

const STORM_JOINS = 6;
/** One who has been started again is a member after a few seconds, on a busy machine. */
const JOINS_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 250;

/** Each process is killed wherever it is; `test/live` kills at chosen passages of the code. */
const KILLED: readonly Role[] = ['writer', 'relay', 'run', 'backfill'];

/** Where a follower is killed by its own code. */
const PASSAGES: readonly (readonly [words: string, point: KillPoint])[] = [
  ['between apply and commit', 'before-commit'],
  ['in mid-batch', 'mid-batch'],
];

export const PROCESS_FAULTS: readonly Fault[] = [
  ...KILLED.map(
    (role): Fault => ({
      name: `kill -9 ${role}`,
      outOfReach: {},
      strike: async ({ lives, pause }) => {
        const killed = await Promise.all(lives(role).map((each) => each.kill()));
        await pause(1_000);
        return () => Proof.counted(killed.length, `of ${role} killed`);
      },
    }),
  ),
  ...PASSAGES.flatMap(([words, point]) =>
    TARGET_STORES.map(
      (store): Fault => ({
        name: `kill -9 run ${words}: ${store}`,
        outOfReach: {},
        strike: async ({ lives }) => {
          const planned = { role: 'run', point, store: `target.${store}`, passage: 2, afterMs: 0 } as const;
          // Whoever of the two gets this store's partitions; the other one goes on.
          const [first, ...others] = lives('run');
          await Promise.all(others.map((each) => each.pause()));
          try {
            await first?.dieAt(planned);
          } finally {
            for (const each of others) each.resume();
          }
          return () => Proof.counted(first === undefined ? 0 : 1, `follower has killed itself at ${point}`);
        },
      }),
    ),
  ),
  ...SLEEPING_FAULTS,
  {
    name: 'rebalance storm',
    outOfReach: {},
    strike: async (world) => {
      await everybodyIn(world);
      const seen = await membersNow(world);
      let joined = 0;
      for (let joins = 0; joins < STORM_JOINS; joins++) {
        // Killed ones are missed after their session, those that leave at once.
        for (const each of world.lives('run').slice(1)) each.strike(joins % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
        await world.pause(2_500);
        const untilMs = performance.now() + JOINS_WITHIN_MS;
        for (let isNew = false; !isNew && performance.now() < untilMs; ) {
          const now = await membersNow(world);
          isNew = [...now].some((member) => !seen.has(member));
          for (const member of now) seen.add(member);
          if (isNew) joined++;
          else await world.pause(LOOK_EVERY_MS);
        }
      }
      return () => Proof.counted(joined, 'times somebody new in the groups', STORM_JOINS - 1);
    },
  },
];
