import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { ChangeoverError, messageOf, systemCodeOf } from '../../core/errors.ts';
import type { Service } from '../../core/service.ts';

export interface MetricsServerOptions {
  /** The name of the option that the address comes from. */
  readonly option: string;
  /** `host:port` */
  readonly address: string;
  readonly registry: Registry;
  /** What `/healthz` answers, beside that this process answers at all. */
  readonly health: () => object;
}

/** Answers /metrics and /healthz, and nothing else. */
export function metricsServer({ option, address, registry, health }: MetricsServerOptions): Service {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[(.*)\]$/, '$1');
  const port = Number(address.slice(at + 1));
  const answer = async (path: string, response: ServerResponse): Promise<void> => {
    if (path === '/metrics') {
      response.setHeader('content-type', registry.contentType).end(await registry.metrics());
    } else if (path === '/healthz') {
      response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify({ status: 'ok', ...health() }));
    } else response.writeHead(404).end();
  };
  return {
    name: 'metrics',
    run: async (signal) => {
      const server = createServer((request, response) => {
        answer(request.url?.split('?')[0] ?? '', response).catch(() => response.writeHead(500).end());
      });
      server.requestTimeout = 10_000;
      try {
        server.listen(port, host);
        await once(server, 'listening', { signal });
        await once(signal, 'abort').catch(() => {});
      } catch (error) {
        if (signal.aborted) return;
        throw new ChangeoverError(
          systemCodeOf(error) === 'EADDRINUSE' ? 'conflict' : 'config',
          `Cannot listen on ${option} ${address}: ${messageOf(error)}`,
          { hint: 'Name an address of this machine whose port is free, or leave it out.', cause: error },
        );
      } finally {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}
