import type { Fault } from './fault.ts';
import { SERVERS, type Server } from './network.ts';

/** Longer than a Kafka session of the test's configuration (6 s) would cost each run 6 s more; shorter than any timeout. */
const HOLD_MS = 2_500;
const SLOW_BY_MS = 120;

/** What can become of connections, for each server. */
export const NETWORK_FAULTS: readonly Fault[] = SERVERS.flatMap((server) => [
  {
    name: `resets to ${server}`,
    strike: async ({ network, pause }) => {
      for (let count = 0; count < 6; count++) {
        network.to[server].reset();
        await pause(300);
      }
    },
  },
  held(`refused by ${server}`, server, (proxy) => {
    proxy.refuse();
    proxy.reset();
  }),
  held(`half-open to ${server}`, server, (proxy) => proxy.stall()),
  held(`answers of ${server} are lost`, server, (proxy) => proxy.swallowAnswers()),
  held(`slow link to ${server}`, server, (proxy) => proxy.slowDown(SLOW_BY_MS)),
]);

function held(
  name: string,
  server: Server,
  breakIt: (proxy: Parameters<Fault['strike']>[0]['network']['to'][Server]) => void,
): Fault {
  return {
    name,
    strike: async ({ network, pause }) => {
      const proxy = network.to[server];
      breakIt(proxy);
      await pause(HOLD_MS);
      proxy.restore();
      // What was swallowed is not sent again by anybody: the connection is of no use any more.
      if (name.startsWith('answers')) proxy.reset();
    },
  };
}
