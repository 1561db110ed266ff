import { MilvusClient } from '@zilliz/milvus2-sdk-node';
import type { Store, StoreContext } from '../../connectors/connector.ts';
import { milvusConnector } from '../../connectors/milvus/connector.ts';
import { type MilvusOptions, milvusOptions } from '../../connectors/milvus/options.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';

/** Options that point at the shared server and at collections of the test's own. */
export function testOptions(overrides: Readonly<Record<string, unknown>> = {}): MilvusOptions {
  const { address } = testStack().milvus;
  return milvusOptions.parse({ address, collection: uniqueName(), ...overrides });
}

export const testContext: StoreContext = {
  name: 'target.milvus',
  role: 'target',
  kinds: milvusConnector.kinds.target,
  logger: silentLogger,
  clock: systemClock,
};

export function openStore(options: MilvusOptions): Promise<Store> {
  return milvusConnector.open(options, testContext);
}

/** The server as an application of its own sees it, past everything of ours. */
export async function asAdmin<T>(work: (client: MilvusClient) => Promise<T>): Promise<T> {
  const { address } = testStack().milvus;
  const client = new MilvusClient({ address, telemetry: { enabled: false } });
  await client.connectPromise;
  try {
    return await work(client);
  } finally {
    await client.closeConnection();
  }
}

export async function dropCollections({ collection }: MilvusOptions): Promise<void> {
  await asAdmin(async (client) => {
    await client.dropCollection({ collection_name: collection });
    await client.dropCollection({ collection_name: `${collection}_tombstones` });
  });
}
