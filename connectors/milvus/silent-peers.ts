import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/** Node tells of each connection that the process begins here (doc/api/diagnostics_channel). */
const NEW_SOCKETS = 'net.client.socket';
const DEFAULT_PORT = 19_530;

/**
 * Breaks off connections to this address that have been made, and on which nothing at all was heard for so long: their peer has died
 * meanwhile. grpc-js waits for a server's first word without a deadline (`createSession` in its transport), and its keepalive begins only then; so all calls would end by
 * theirs, on this one connection, for as long as it stands. Other Milvus servers at the same port of other hosts are treated alike.
 * Until what is answered is called.
 */
export function breakOffSilentPeers(address: string, withinMs: number): () => void {
  const port = Number(/:(\d+)\/?$/.exec(address)?.[1] ?? DEFAULT_PORT);
  const onSocket = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    socket.once('connect', () => {
      if (socket.remotePort !== port) return;
      const timer = setTimeout(() => {
        if (socket.bytesRead === 0)
          socket.destroy(new Error(`${address} has taken the connection and said nothing`));
      }, withinMs);
      timer.unref();
      socket.once('close', () => clearTimeout(timer));
    });
  };
  subscribe(NEW_SOCKETS, onSocket);
  return () => void unsubscribe(NEW_SOCKETS, onSocket);
}
