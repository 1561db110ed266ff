import { Registry } from 'prom-client';
import { systemClock } from '../core/clock.ts';
import { silentLogger } from '../core/logger.ts';
import { createApp } from './app.ts';
import { serverOptions } from './options.ts';

/** The document as the server answers it; docs/openapi.json is it. */
export async function openApiDocument(): Promise<object> {
  const app = await createApp(serverOptions.parse({}), {
    writers: new Map(),
    token: undefined,
    ready: async () => [],
    registry: new Registry(),
    logger: silentLogger,
    clock: systemClock,
  });
  try {
    return app.swagger();
  } finally {
    await app.close();
  }
}
