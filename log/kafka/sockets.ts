import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ISocketFactory } from 'kafkajs';

const KEEP_ALIVE_MS = 60_000;
/** Of a request: its length, then the number of its sort. https://kafka.apache.org/protocol#protocol_api_keys */
const API_KEY_AT = 4;

/** Resolves when the request may go. */
type MayGo = () => Promise<void>;

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
  readonly #heldBack = new Map<number, MayGo>();
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
    this.#watchWrites(socket);
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    return socket;
  };

  /**
   * Requests with this API key leave only when `mayGo` has resolved; others pass them meanwhile. For what kafkajs does by
   * itself and tells nobody of before it has done it. It writes each request in one piece.
   */
  holdBack(apiKey: number, mayGo: MayGo): void {
    this.#heldBack.set(apiKey, mayGo);
  }

  /** Breaks every connection: whatever waits for an answer fails now, and may be tried again over a new one. */
  break(): void {
    for (const socket of this.#open) socket.destroy(new Error('The connection was given up.'));
  }

  /** Breaks every connection and makes no other: from now on this client sends nothing. */
  fence(): void {
    this.#fenced = true;
    this.break();
  }

  #watchWrites(socket: Socket): void {
    const write = socket.write.bind(socket);
    socket.write = (data: unknown, ...rest: unknown[]): boolean => {
      const send = (): boolean => Reflect.apply(write, socket, [data, ...rest]) as boolean;
      const mayGo =
        this.#heldBack.size > 0 && Buffer.isBuffer(data) && data.length >= API_KEY_AT + 2
          ? this.#heldBack.get(data.readInt16BE(API_KEY_AT))
          : undefined;
      if (mayGo === undefined) return send();
      mayGo().then(
        () => !socket.destroyed && send(),
        (error: unknown) => socket.destroy(error instanceof Error ? error : undefined),
      );
      return true;
    };
  }
}
