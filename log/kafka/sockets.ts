import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ISocketFactory } from 'kafkajs';

const KEEP_ALIVE_MS = 60_000;

/**
 * The connections of one client, which can be taken away from it.
 *
 * Why: what kafkajs has begun goes on after `disconnect`, with new connections if need be, and a request can be
 * forgotten for good when its connection is closed and opened at the same time (network/connection `disconnect` waits,
 * and then closes the socket that is there by then; the timer that watches over requests goes with it). So neither an
 * answer nor an end can be relied on unless the connections are in our hands.
 */
export class Sockets {
  readonly #open = new Set<Socket>();
  #fenced = false;

  readonly factory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    if (this.#fenced) throw new Error('This client is closed.');
    // kafkajs names no type for "no TLS", and passes something falsy.
    const encrypted = Boolean(ssl);
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const socket = encrypted
      ? connectTls({ host, port, ...servername, ...ssl }, onConnect)
      : connect({ host, port }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.setNoDelay(true);
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    return socket;
  };

  /** Breaks every connection: whatever waits for an answer fails now, and may be tried again over a new one. */
  break(): void {
    for (const socket of this.#open) socket.destroy(new Error('The connection was given up.'));
  }

  /** Breaks every connection and makes no other: from now on this client sends nothing. */
  fence(): void {
    this.#fenced = true;
    this.break();
  }
}
