import type { Role } from '../live/plan.ts';
import type { Fault, World } from './fault.ts';
import { SERVERS } from './network.ts';

/** The session of a consumer lasts 6 s in the test's configuration. */
const PAST_SESSION_MS = 9_000;
const STORM_JOINS = 4;
const DOWN_MS = 2_000;

/** Each process is killed wherever it is; `test/live` kills at chosen passages of the code. */
const KILLED: readonly Role[] = ['writer', 'relay', 'run', 'backfill'];

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
        for (const each of world.lives('run').slice(1)) each.strike('SIGKILL');
        await world.pause(1_500);
      }
    },
  },
];

/** kill -9 of a server and its return. */
export const SERVER_FAULTS: readonly Fault[] = SERVERS.map((server) => ({
  name: `kill -9 ${server}`,
  needsOwnServers: true,
  strike: async ({ servers, pause }: World) => {
    if (servers === undefined) throw new Error('These servers are not ours to kill.');
    await servers.kill(server);
    await pause(DOWN_MS);
    await servers.up();
  },
}));
