import { TARGET_STORES } from '../live/plan.ts';
import type { Fault, OwnServers, World } from './fault.ts';
import { SERVERS } from './network.ts';

const DOWN_MS = 2_000;
const DOWN_FOR_MINUTES_MS = 120_000;

/** Faults of servers that nobody else uses. */
export const SERVER_FAULTS: readonly Fault[] = [
  ...SERVERS.map((server) =>
    ofServers(`kill -9 ${server}`, async (servers, { pause }) => {
      await servers.kill(server);
      await pause(DOWN_MS);
      await servers.up();
    }),
  ),
  ofServers('store down for minutes: all targets', async (servers, { pause }) => {
    await Promise.all(TARGET_STORES.map((store) => servers.kill(store)));
    await pause(DOWN_FOR_MINUTES_MS);
    await servers.up();
  }),
];

function ofServers(name: string, strike: (servers: OwnServers, world: World) => Promise<void>): Fault {
  return {
    name,
    needsOwnServers: true,
    strike: async (world) => {
      if (world.servers === undefined) throw new Error('These servers are not ours to break.');
      await strike(world.servers, world);
    },
  };
}
