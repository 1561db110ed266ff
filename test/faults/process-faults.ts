import type { KillPoint } from '../live/kill-plan.ts';
import { type Role, TARGET_STORES } from '../live/plan.ts';
import type { Fault } from './fault.ts';

/** The session of a consumer lasts 6 s in the test's configuration. */
const PAST_SESSION_MS = 9_000;
const STORM_JOINS = 6;

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
      strike: async ({ lives, pause }) => {
        for (const each of lives(role)) each.strike('SIGKILL');
        await pause(1_000);
      },
    }),
  ),
  ...PASSAGES.flatMap(([words, point]) =>
    TARGET_STORES.map(
      (store): Fault => ({
        name: `kill -9 run ${words}: ${store}`,
        strike: async ({ lives }) => {
          const planned = { role: 'run', point, store: `target.${store}`, passage: 2, afterMs: 0 } as const;
          // Whoever of the two gets this store's partitions; the other one goes on.
          const [first] = lives('run');
          const others = lives('run').slice(1);
          await Promise.all(others.map((each) => each.pause()));
          await first?.dieAt(planned);
          for (const each of others) each.resume();
        },
      }),
    ),
  ),
  {
    name: 'a consumer sleeps past its session and wakes up',
    strike: async ({ lives, pause }) => {
      const zombie = lives('run')[0];
      zombie?.strike('SIGSTOP');
      await pause(PAST_SESSION_MS);
      zombie?.strike('SIGCONT');
    },
  },
  {
    name: 'a relay sleeps past its claim and wakes up',
    strike: async ({ lives, pause }) => {
      for (const each of lives('relay')) each.strike('SIGSTOP');
      await pause(PAST_SESSION_MS);
      for (const each of lives('relay')) each.strike('SIGCONT');
    },
  },
  {
    name: 'rebalance storm',
    strike: async (world) => {
      for (let joins = 0; joins < STORM_JOINS; joins++) {
        // Killed ones are missed after their session, those that leave at once.
        for (const each of world.lives('run').slice(1)) each.strike(joins % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
        await world.pause(2_500);
      }
    },
  },
];
