import { readFile } from 'node:fs/promises';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Neo4jClient } from './client.ts';
import { DriverClient } from './driver-client.ts';
import type { Neo4jOptions } from './options.ts';
import { requireSupported } from './server-version.ts';

/** Opens a client and asks the server for a sign of life and its version. */
export async function openClient(options: Neo4jOptions, logger: Logger): Promise<Neo4jClient> {
  const client = new DriverClient(options, await passwordOf(options), logger);
  try {
    await requireSupported(client);
  } catch (error) {
    await client.close();
    throw error;
  }
  return client;
}

async function passwordOf({ password = '', passwordFile }: Neo4jOptions): Promise<string> {
  if (passwordFile === undefined) return password;
  try {
    return (await readFile(passwordFile, 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    const hint = 'Correct passwordFile, or let this user read it.';
    throw new ChangeoverError('config', `passwordFile: ${messageOf(error)}`, { hint, cause: error });
  }
}
