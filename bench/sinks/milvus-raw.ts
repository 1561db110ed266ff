import { MilvusClient } from '@zilliz/milvus2-sdk-node';
import { encodeUpsert } from '../../connectors/milvus/upsert-request.ts';
import { wireOf } from '../../connectors/milvus/wire.ts';
import { forEachLimited } from '../../core/sequence.ts';
import type { MilvusAddress } from '../../stack/addresses.ts';
import type { EmbeddingChange } from './milvus-content.ts';

const IN_FLIGHT = 4;
const TIMEOUT_MS = 30_000;

export interface RawUpserts {
  readonly collection: string;
  readonly dimension: number;
  readonly rows: number;
  readonly changeOf: (index: number) => EmbeddingChange;
}

/** The request encoded by hand, no guard: upserts of 1,000 embeddings, four under way. */
export function rawUpserts(address: MilvusAddress, options: RawUpserts): Promise<number> {
  const { collection, dimension } = options;
  return upserting(address, options, 1_000, async (client, changes) => {
    const embeddings = changes.flatMap(({ version, after }) =>
      after === null ? [] : [{ version, embedding: after }],
    );
    const bytes = encodeUpsert({ collection, dimension, schemaTimestamp: 0n, embeddings });
    return (await wireOf(client).sendBytes('Upsert', bytes, TIMEOUT_MS)) as Answer;
  });
}

/** The fastest loop with the official client's own encoding, no guard: upserts of 100, four under way. */
export function clientUpserts(address: MilvusAddress, options: RawUpserts): Promise<number> {
  const { collection } = options;
  return upserting(address, options, 100, (client, changes) => {
    const data = changes.map(({ version, after }) => ({
      id: after?.id ?? '',
      agent_id: after?.agentId ?? '',
      vector: Array.from(floatsOf(after?.vector ?? new Uint8Array())),
      version,
      metadata: { ...after?.metadata },
    }));
    return client.upsert({ collection_name: collection, data });
  });
}

interface Answer {
  readonly status: { readonly code?: number; readonly reason: string };
}

async function upserting(
  { address }: MilvusAddress,
  { rows, changeOf }: RawUpserts,
  batch: number,
  upsert: (client: MilvusClient, changes: readonly EmbeddingChange[]) => Promise<Answer>,
): Promise<number> {
  const client = new MilvusClient({ address, telemetry: { enabled: false }, maxRetries: 0 });
  try {
    await client.connectPromise;
    const starts = Array.from({ length: Math.ceil(rows / batch) }, (_, index) => index * batch);
    await forEachLimited(starts, IN_FLIGHT, async (start) => {
      const size = Math.min(batch, rows - start);
      const { status } = await upsert(
        client,
        Array.from({ length: size }, (_, index) => changeOf(start + index)),
      );
      if (status.code !== 0) throw new Error(status.reason);
    });
    return rows;
  } finally {
    await client.closeConnection();
  }
}

function floatsOf({ buffer, byteOffset, byteLength }: Uint8Array): Float32Array {
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}
