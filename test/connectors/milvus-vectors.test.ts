import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Embedding } from '../../schemas/change.ts';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { upsert } from '../support/changes.ts';
import { float32Bytes } from '../support/entities.ts';
import { asAdmin, dropCollections, openStore, testOptions } from './milvus-support.ts';

const V = 1_700_000_000_000_000;

/** Numbers that a conversion on the way would change: signs of zero, denormals, the greatest, many digits. */
function awkwardVector(seed: number): Uint8Array {
  const components = Array.from(
    { length: 8 },
    (_, index) => Math.sin(seed * 7 + index) * 10 ** ((seed % 9) - 4),
  );
  components[seed % 8] = [-0, 1.4e-45, -1.4e-45, 3.4e38, 1 / 3][seed % 5] ?? 0;
  return float32Bytes(components);
}

const TITLE = 'vectors come back to the last bit, and pages in order, from memory and from an index';

describe(TITLE, { concurrency: true }, () => {
  for (const metric of ['cosine', 'l2', 'ip'] as const) {
    it(metric, { timeout: 120_000 }, async () => {
      const options = testOptions({ indexProfile: 'fast' });
      const { collection: collection_name } = options;
      const space = { model: 'm', revision: '', metric, normalised: false } as const;
      const entities = Array.from({ length: 3_000 }, (_, index): Embedding => {
        const id = `v ${(index * 7_919) % 3_000}`;
        return { id, agentId: 'a', vector: awkwardVector(index), dimension: 8, space, metadata: {} };
      });
      const store = await openStore(options);
      const check = async (version: number) => {
        const expected = new Map(entities.map((entity) => [entity.id, Buffer.from(entity.vector)]));
        let last: string | undefined;
        for await (const chunk of store.source.scan('embedding', WHOLE_RANGE, { limit: 700 })) {
          for (const row of chunk.rows) {
            assert.ok(last === undefined || last < row.key);
            last = row.key;
            assert.ok(expected.get(row.key)?.equals(row.entity.vector), row.key);
            assert.ok(row.version !== null && row.version >= version);
            expected.delete(row.key);
          }
        }
        assert.equal(expected.size, 0);
      };
      try {
        await store.prepare();
        await store.sink.apply(entities.map((entity) => upsert('embedding', entity, V)));
        await check(V);
        await asAdmin((client) => settle(client, collection_name));
        await check(V);
        // A second segment, in memory, that overtakes half of the first.
        const half = entities.filter((_, index) => index % 2 === 0);
        await store.sink.apply(half.map((entity) => upsert('embedding', entity, V + 1)));
        await check(V);
      } finally {
        await store.close();
        await dropCollections(options);
      }
    });
  }
});

type Admin = Parameters<Parameters<typeof asAdmin>[0]>[0];

/** Flushed, indexed, and loaded anew from the index. */
async function settle(client: Admin, collection_name: string): Promise<void> {
  await client.flushSync({ collection_names: [collection_name] });
  for (let waited = 0; waited < 200; waited++) {
    const { index_descriptions } = await client.describeIndex({ collection_name, field_name: 'vector' });
    if (Number(index_descriptions[0]?.indexed_rows ?? 0) >= 3_000) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await client.releaseCollection({ collection_name });
  await client.loadCollectionSync({ collection_name });
  const { infos } = await client.getQuerySegmentInfo({ collectionName: collection_name });
  assert.deepEqual(
    infos.map(({ state, index_name }) => [state, index_name]),
    [['Sealed', 'vector']],
  );
}
