import { type ConsistencyLevelEnum, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { canonical } from './canonical.ts';
import { type HeldState, placeOf } from './evidence.ts';
import { LIVE_DIMENSION, LIVE_SPACE } from './key-space.ts';
import { greater, type TargetReader } from './target-reader.ts';

type Row = Readonly<Record<string, unknown>>;

const LIMIT = 10_000;

/** A collection of embeddings that follows the log, and the collection of tombstones beside it. */
export function openMilvusTarget(address: string, collection: string): TargetReader {
  const client = new MilvusClient({ address, timeout: 20_000, logLevel: 'error' });
  const tombstones = `${collection}_tombstones`;

  const query = async (from: string, filter: string, fields: readonly string[]): Promise<readonly Row[]> => {
    const { status, data } = await client.query({
      collection_name: from,
      filter,
      output_fields: [...fields],
      limit: LIMIT,
      consistency_level: 'Strong' as unknown as ConsistencyLevelEnum,
    });
    if (Number(status.code) !== 0) throw new Error(`Milvus does not answer for ${from}: ${status.reason}`);
    return data;
  };
  const versionsIn = async (from: string, ids: readonly string[]): Promise<ReadonlyMap<string, number>> => {
    const filter = `id in [${ids.map((id) => JSON.stringify(id)).join(', ')}]`;
    const rows = await query(from, filter, ['id', 'version']);
    return new Map(rows.map((row) => [String(row.id), Number(row.version)]));
  };

  return {
    name: 'target.milvus',
    kinds: ['embedding'],
    async states() {
      const found = new Map<string, HeldState>();
      for (const { id, version } of await query(tombstones, 'id != ""', ['id', 'version']))
        found.set(placeOf({ kind: 'embedding', key: String(id) }), {
          version: Number(version),
          content: null,
        });
      // A row that is there is seen by whoever searches, whatever a tombstone says of it.
      for (const row of await query(collection, 'id != ""', [
        'id',
        'agent_id',
        'vector',
        'version',
        'metadata',
      ]))
        found.set(placeOf({ kind: 'embedding', key: String(row.id) }), {
          version: Number(row.version),
          content: contentOf(row),
        });
      return found;
    },
    async versions(_kind, keys) {
      const rows = await versionsIn(collection, keys);
      const buried = await versionsIn(tombstones, keys);
      return keys.map((key) => greater(rows.get(key), buried.get(key)));
    },
    close: async () => {
      await client.closeConnection();
    },
  };
}

function contentOf({ id, agent_id, vector, metadata }: Row): string {
  const floats = Float32Array.from(vector as readonly number[]);
  return canonical({
    id,
    agentId: agent_id,
    vector: new Uint8Array(floats.buffer),
    dimension: LIVE_DIMENSION,
    space: LIVE_SPACE,
    metadata,
  });
}
