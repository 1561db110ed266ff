import type { Logger } from '../../core/logger.ts';
import { readSecret } from '../../core/secret.ts';
import type { Neo4jClient } from './client.ts';
import { DriverClient } from './driver-client.ts';
import type { Neo4jOptions } from './options.ts';
import { requireSupported } from './server-version.ts';

/** Opens a client and asks the server for a sign of life and its version. */
export async function openClient(options: Neo4jOptions, logger: Logger): Promise<Neo4jClient> {
  const client = new DriverClient(options, (await readSecret(options)) ?? '', logger);
  try {
    await requireSupported(client);
  } catch (error) {
    await client.close();
    throw error;
  }
  return client;
}
