import type { Clock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { type Logger, silentLogger } from '../../core/logger.ts';
import { readSecret } from '../../core/secret.ts';
import { createCalls } from './calls.ts';
import { connectionOf, type MilvusConnection } from './connection.ts';
import type { MilvusOptions } from './options.ts';
import { breakOffSilentPeers } from './silent-peers.ts';
import { wireOf } from './wire.ts';

/** The oldest server with upsert and a database per request. */
const OLDEST: readonly [major: number, minor: number] = [2, 3];

export async function openMilvus(
  options: MilvusOptions,
  clock: Clock,
  logger: Logger = silentLogger,
): Promise<MilvusConnection> {
  // Loaded late: it takes 60 MB, which a process that does not use Milvus need not pay.
  const sdk = await import('@zilliz/milvus2-sdk-node');
  const password = await readSecret(options);
  const allHeard = breakOffSilentPeers(options.address, options.timeoutMs);
  const client = new sdk.MilvusClient({
    address: options.address,
    timeout: options.timeoutMs,
    // The client's own retry gives each attempt a fresh deadline, and leaves out what is worth trying again.
    maxRetries: 0,
    telemetry: { enabled: false },
    logLevel: 'error',
    ...(options.user !== undefined && { username: options.user }),
    ...(password !== undefined && { password }),
    ...(options.token !== undefined && { token: options.token }),
    ...(options.database !== undefined && { database: options.database }),
    ...(options.ssl && { ssl: true, tls: tlsOf(options) }),
  });
  const call = createCalls({ where: options.address, timeoutMs: options.timeoutMs, clock });
  const wire = wireOf(client);
  const toServer = connectionOf(client, { where: options.address, call, wire, logger });
  const connection: MilvusConnection = {
    ...toServer,
    close: async () => {
      allHeard();
      await toServer.close();
    },
  };
  try {
    // The constructor has begun to connect; only this says whether the login and the database are right.
    await call('Connect', () => client.connectPromise as Promise<unknown>, { attempts: 1 });
    await checkVersion(connection);
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

function tlsOf({ sslVerify, sslCaFile }: MilvusOptions) {
  return { skipCertCheck: !sslVerify, ...(sslCaFile !== undefined && { rootCertPath: sslCaFile }) };
}

async function checkVersion(connection: MilvusConnection): Promise<void> {
  const version = await connection.version();
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  throw new ChangeoverError('unsupported', `Milvus at ${connection.where} is version ${version}.`, {
    hint: `Use Milvus ${OLDEST.join('.')} or newer.`,
  });
}
