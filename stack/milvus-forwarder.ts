/**
 * Runs inside Milvus' network namespace and accepts connections from outside it: a socket belongs to the namespace in which
 * it was made, so the listening sockets come, already listening, from the process that starts this one.
 * Started by milvus.ts with an IPC channel; it goes on when that channel closes.
 */
import { connect, Server, type Socket } from 'node:net';
import { LOOPBACK } from './addresses.ts';

const KEEP_ALIVE_MS = 30_000;

process.on('message', (message, handle) => {
  if (!(handle instanceof Server)) return;
  const port = (message as { readonly port: number }).port;
  handle.on('connection', (client) => forward(client, port));
  process.send?.({ forwarding: port });
});

function forward(client: Socket, port: number): void {
  const server = connect({ host: LOOPBACK, port, noDelay: true });
  client.setNoDelay(true);
  client.setKeepAlive(true, KEEP_ALIVE_MS);
  client.pipe(server);
  server.pipe(client);
  client.on('error', () => server.destroy());
  server.on('error', () => client.destroy());
  client.on('close', () => server.destroy());
  server.on('close', () => client.destroy());
}
