import { ChangeoverError, messageOf, systemCodeOf } from '../core/errors.ts';
import type { Closable } from '../core/service.ts';
import { type AppContext, createApp } from './app.ts';
import { requireTokenBeyondLoopback } from './loopback.ts';
import type { ServerOptions } from './options.ts';

/** The ingest, listening. `close` takes no new requests, and waits for those under way, for a bounded time. */
export interface IngestServer extends Closable {
  /** `http://127.0.0.1:8470` */
  readonly address: string;
}

/** Throws `config` where everybody could write, and `conflict` where the port is taken. */
export async function openServer(options: ServerOptions, context: AppContext): Promise<IngestServer> {
  requireTokenBeyondLoopback(options.host, context.token);
  const app = await createApp(options, context);
  let address: string;
  try {
    address = await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    await app.close();
    throw listenError(error, options);
  }
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const late = setTimeout(() => app.server.closeAllConnections(), options.closeTimeoutMs);
    try {
      await app.close();
    } finally {
      clearTimeout(late);
    }
  };
  return {
    address,
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}

function listenError(error: unknown, { host, port }: ServerOptions): ChangeoverError {
  const place = `${host}:${port}`;
  if (systemCodeOf(error) === 'EADDRINUSE') {
    return new ChangeoverError('conflict', `Another program listens at ${place}`, {
      hint: 'Stop it, or choose another server.port; 0 takes any that is free.',
      cause: error,
    });
  }
  return new ChangeoverError('config', `Cannot listen at ${place}: ${messageOf(error)}`, {
    hint: 'Set server.host to an address of this machine, and server.port to a port that this user may take.',
    cause: error,
  });
}
