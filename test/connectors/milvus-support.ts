import { MilvusClient } from '@zilliz/milvus2-sdk-node';
import type { Store, StoreContext } from '../../connectors/connector.ts';
import { milvusConnector } from '../../connectors/milvus/connector.ts';
import { type MilvusOptions, milvusOptions } from '../../connectors/milvus/options.ts';
import type { MilvusRow, VersionedEmbedding } from '../../connectors/milvus/rows.ts';
import { systemClock } from '../../core/clock.ts';
import { isNegativeZero } from '../../core/json.ts';
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

/** As the official client takes it. */
export function embeddingRow({ version, embedding }: VersionedEmbedding): MilvusRow {
  const { id, agentId, vector, metadata } = embedding;
  const floats = Array.from(new Float32Array(Uint8Array.from(vector).buffer));
  return { id, agent_id: agentId, vector: floats, version, metadata: asTheClientStringifies(metadata) };
}

interface RawJson {
  rawJSON(text: string): unknown;
}

/** It stringifies by itself, and would lose −0. */
function asTheClientStringifies(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { rawJSON } = JSON as unknown as RawJson;
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, isNegativeZero(value) ? rawJSON('-0') : value]),
  );
}
