import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface TcpProxyOptions {
  /** `host:port` of the real server. */
  readonly target: string;
  /** Looks at what the server sends before the client gets it; must keep its length. */
  readonly rewriteAnswer?: (chunk: Buffer, proxyPort: number) => Buffer;
}

/** A network that a test can break. Ends are told apart as the client's and the server's. */
export interface TcpProxy {
  /** `127.0.0.1:port`, for the client. */
  readonly address: string;
  /** Breaks every connection with a reset, as a router that lost its state does. Answers how many there were. */
  reset(): number;
  /** From now on requests arrive and answers vanish, until `restore`: the work is done and nobody hears of it. */
  swallowAnswers(): void;
  /** From now on no byte passes in either direction and nothing is closed, until `restore`, which delivers all of it. */
  stall(): void;
  /**
   * The peer is gone and nobody has been told: from now on every piece is thrown away in either direction, in new connections too, which
   * stand at once; and neither end hears that the other one has closed. `restore` resets all of these connections.
   */
  vanish(): void;
  /** From now on every byte takes that much longer in either direction, until `restore`. */
  slowDown(ms: number): void;
  /** From now on new connections are reset, until `restore`. */
  refuse(): void;
  restore(): void;
  /** How often something was done to anybody so far: a connection refused, a piece held, swallowed, slowed or thrown away. */
  readonly struck: number;
  /** Of each client that has hung up since the peer vanished: for how long its connection had been silent, since the first piece thrown away. */
  readonly hungUpAfterMs: readonly number[];
  close(): Promise<void>;
}

type Mode = 'pass' | 'swallow-answers' | 'stall' | 'vanished' | 'slow' | 'refuse';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** When the first piece was thrown away. */
  silentSinceMs: number | undefined;
  hasHungUp: boolean;
}

export async function openTcpProxy({ target, rewriteAnswer }: TcpProxyOptions): Promise<TcpProxy> {
  const [host, port] = splitAddress(target);
  const pairs = new Set<Pair>();
  let mode: Mode = 'pass';
  let held: (() => void)[] = [];
  let delayMs = 0;
  let struck = 0;
  let hungUpAfterMs: number[] = [];

  const noteHangUp = (pair: Pair): void => {
    if (!pair.hasHungUp) hungUpAfterMs.push(performance.now() - (pair.silentSinceMs ?? performance.now()));
    pair.hasHungUp = true;
  };

  // Each end is closed when the other one has been, and not by itself: who hangs up on a peer that has vanished hears nothing.
  const listener = createServer({ allowHalfOpen: true }, (client) => {
    if (mode === 'refuse') {
      struck++;
      breakOff(client);
      return;
    }
    const server = connect({ host, port, allowHalfOpen: true });
    const pair: Pair = { client, server, silentSinceMs: undefined, hasHungUp: false };
    pairs.add(pair);
    /** What is under way slowly in each direction; nothing that comes later overtakes it. */
    const slow = new Map<Socket, Promise<void>>();
    const forward = (to: Socket, chunk: Buffer): void => {
      const before = slow.get(to);
      if (mode === 'stall' || mode === 'slow' || mode === 'vanished') struck++;
      if (mode === 'vanished') pair.silentSinceMs ??= performance.now();
      else if (mode === 'stall') held.push(() => to.write(chunk));
      else if (mode === 'slow' || before !== undefined) {
        const sent = Promise.all([before, sleep(mode === 'slow' ? delayMs : 0)]).then(() => {
          to.write(chunk);
          if (slow.get(to) === sent) slow.delete(to);
        });
        slow.set(to, sent);
      } else to.write(chunk);
    };
    client.on('data', (chunk) => forward(server, chunk));
    server.on('data', (chunk) => {
      if (mode === 'swallow-answers') struck++;
      else forward(client, rewriteAnswer?.(chunk, portOf(listener.address())) ?? chunk);
    });
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.setNoDelay(true);
      /** Unless nobody hears of it. */
      const tell = (say: () => void): void => {
        if (mode !== 'vanished') say();
        else if (from === client) noteHangUp(pair);
      };
      from.on('error', () => tell(() => breakOff(to)));
      from.on('end', () => tell(() => to.end()));
      from.on('close', () => tell(() => pairs.delete(pair)));
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');

  const reset = (): number => {
    const count = pairs.size;
    for (const { client, server } of pairs) {
      breakOff(client);
      breakOff(server);
    }
    return count;
  };
  return {
    address: `127.0.0.1:${portOf(listener.address())}`,
    reset,
    swallowAnswers: () => {
      mode = 'swallow-answers';
    },
    stall: () => {
      mode = 'stall';
    },
    slowDown: (ms) => {
      mode = 'slow';
      delayMs = ms;
    },
    refuse: () => {
      mode = 'refuse';
    },
    vanish: () => {
      mode = 'vanished';
      hungUpAfterMs = [];
    },
    restore: () => {
      if (mode === 'vanished') {
        reset();
        pairs.clear();
      }
      mode = 'pass';
      const late = held;
      held = [];
      for (const write of late) write();
    },
    get struck() {
      return struck;
    },
    get hungUpAfterMs() {
      return hungUpAfterMs;
    },
    close: async () => {
      const closed = once(listener, 'close');
      listener.close();
      reset();
      await closed;
    },
  };
}

/**
 * Ends a connection with a reset. One that is being shut down cannot be: Node takes the system's refusal for a success, keeps the
 * handle for ever, and the process turns in circles at its end (`Environment::CleanupHandles`) because that never closes.
 */
export function breakOff(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/**
 * A proxy before one Kafka broker. A Kafka client asks where the brokers are and then goes there directly, so the
 * broker's address in those answers is replaced by the proxy's. (An answer that TCP happens to cut in the middle of an
 * address passes as it is; that connection then goes past the proxy.)
 */
export function openKafkaProxy(broker: string): Promise<TcpProxy> {
  const [host, port] = splitAddress(broker);
  const before = encodeAddress(host, port);
  return openTcpProxy({
    target: broker,
    rewriteAnswer: (chunk, proxyPort) => {
      for (let at = chunk.indexOf(before); at >= 0; at = chunk.indexOf(before, at + 1)) {
        encodeAddress(host, proxyPort).copy(chunk, at);
      }
      return chunk;
    },
  });
}

/** Host and port as they follow each other in Kafka's answers (the versions without compact strings). */
function encodeAddress(host: string, port: number): Buffer {
  const bytes = Buffer.alloc(2 + host.length + 4);
  bytes.writeInt16BE(host.length, 0);
  bytes.write(host, 2);
  bytes.writeInt32BE(port, 2 + host.length);
  return bytes;
}

function splitAddress(address: string): readonly [string, number] {
  const at = address.lastIndexOf(':');
  return [address.slice(0, at), Number(address.slice(at + 1))];
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string')
    throw new Error('The proxy does not listen on a port.');
  return address.port;
}
