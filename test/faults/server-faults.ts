import { TARGET_STORES } from '../live/plan.ts';
import type { AskForProof, Fault, OwnServers, World } from './fault.ts';
import { SERVERS, type Server } from './network.ts';
import { Proof } from './proof.ts';

const DOWN_MS = 2_000;
const DOWN_FOR_MINUTES_MS = 120_000;

/** Faults of servers that nobody else uses. */
export const SERVER_FAULTS: readonly Fault[] = [
  ...SERVERS.map((server) => killed(`kill -9 ${server}`, [server], DOWN_MS)),
  killed('store down for minutes: all targets', TARGET_STORES, DOWN_FOR_MINUTES_MS),
];

function killed(name: string, down: readonly Server[], forMs: number): Fault {
  return {
    name,
    needsOwnServers: true,
    outOfReach: { down },
    strike: async (world) => {
      const servers = ownServersOf(world);
      const dead = await Promise.all(down.map((server) => servers.kill(server)));
      await world.pause(forMs);
      await servers.up();
      return replaced(servers, down, dead);
    },
  };
}

export function ownServersOf({ servers }: World): OwnServers {
  if (servers === undefined) throw new Error('These servers are not ours to break.');
  return servers;
}

/** Another process is the server now. */
function replaced(servers: OwnServers, down: readonly Server[], dead: readonly number[]): AskForProof {
  return async () => {
    const now = await Promise.all(down.map((server) => servers.pidOf(server)));
    const others = now.filter((pid) => pid !== undefined && !dead.includes(pid));
    return Proof.counted(others.length, 'servers in the place of killed ones', down.length);
  };
}
