import type { TcpProxy } from '../support/tcp-proxy.ts';
import { deadlineMs } from './deadlines.ts';
import type { Fault } from './fault.ts';
import { SERVERS, type Server } from './network.ts';
import { Proof } from './proof.ts';

/** Longer than a Kafka session of the test's configuration (6 s) would cost each run 6 s more; shorter than any timeout. */
const HOLD_MS = 2_500;
const SLOW_BY_MS = 120;
const RESETS = 6;
const STRIKES_WITHIN_MS = 30_000;
/** The longest deadline is 45 s: of a transaction in Neo4j, with what is added for trying it again and for the way. */
const GIVEN_UP_WITHIN_MS = 90_000;
const LOOK_EVERY_MS = 100;

/** What can become of connections, for each server. */
export const NETWORK_FAULTS: readonly Fault[] = SERVERS.flatMap((server) => [
  {
    name: `resets to ${server}`,
    outOfReach: { cut: [server] },
    strike: async ({ network, pause }) => {
      let broken = 0;
      for (let count = 0; count < RESETS; count++) {
        broken += network.to[server].reset();
        await pause(300);
      }
      return () => Proof.counted(broken, 'connections reset');
    },
  },
  held(`refused by ${server}`, server, 'connections refused', (proxy) => {
    proxy.refuse();
    proxy.reset();
  }),
  halfOpen(server),
  held(`stalled link to ${server}`, server, 'pieces held back', (proxy) => proxy.stall()),
  held(`answers of ${server} are lost`, server, 'pieces of answers swallowed', (proxy) =>
    proxy.swallowAnswers(),
  ),
  held(`slow link to ${server}`, server, 'pieces slowed down', (proxy) => proxy.slowDown(SLOW_BY_MS)),
]);

function held(name: string, server: Server, counted: string, breakIt: (proxy: TcpProxy) => void): Fault {
  return {
    name,
    outOfReach: { cut: [server] },
    strike: async ({ network, pause }) => {
      const proxy = network.to[server];
      const before = proxy.struck;
      const untilMs = performance.now() + STRIKES_WITHIN_MS;
      breakIt(proxy);
      await pause(HOLD_MS);
      // On a busy machine nobody may have been there yet.
      while (proxy.struck === before && performance.now() < untilMs) await pause(LOOK_EVERY_MS);
      const struck = proxy.struck - before;
      proxy.restore();
      // What was swallowed is not sent again by anybody: the connection is of no use any more.
      if (name.startsWith('answers')) proxy.reset();
      return () => Proof.counted(struck, counted);
    },
  };
}

/** The peer is dead and nobody has been told, until somebody has given it up because a deadline is over. Nothing of what was sent arrives. */
function halfOpen(server: Server): Fault {
  return {
    name: `half-open to ${server}`,
    outOfReach: { cut: [server] },
    strike: async ({ network, pause }) => {
      const proxy = network.to[server];
      const deadline = deadlineMs(network.configFile, server);
      const before = proxy.struck;
      const untilMs = performance.now() + GIVEN_UP_WITHIN_MS;
      // Whoever ends in good order hangs up, too, but has not waited.
      const waited = (): readonly number[] => proxy.hungUpAfterMs.filter((ms) => ms >= deadline);
      proxy.vanish();
      try {
        while (waited().length === 0 && performance.now() < untilMs) await pause(LOOK_EVERY_MS);
      } finally {
        proxy.restore();
      }
      const [struck, gaveUp] = [proxy.struck - before, waited()];
      const longest = (Math.max(0, ...gaveUp) / 1_000).toFixed(1);
      return () =>
        Proof.all(
          Proof.counted(struck, 'pieces thrown away'),
          Proof.counted(
            gaveUp.length,
            `connections given up after ${longest} s without an answer (deadline ${deadline / 1_000} s)`,
          ),
        );
    },
  };
}
