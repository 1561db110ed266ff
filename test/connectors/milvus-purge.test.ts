import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { upkeepContract } from '../contract/upkeep.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { asAdmin, dropCollections, openStore, testOptions } from './milvus-support.ts';

const options = testOptions();
after(() => dropCollections(options));

upkeepContract('Milvus', {
  kinds: ['embedding'],
  concurrentSinks: false,
  open: async () => {
    const store = await openStore(options);
    await store.prepare();
    return store;
  },
  reopen: () => openStore(options),
});

describe('a purge of Milvus', () => {
  it('lets a row that is dead by its tombstone alone go with it, and not come alive', async () => {
    const own = testOptions();
    const store = await openStore(own);
    try {
      await store.prepare();
      const [dead, alive] = [5, 15].map((version) =>
        upsert('embedding', sampleEntity('embedding', { name: `version ${version}` }), version),
      );
      assert.ok(dead !== undefined && alive !== undefined);
      await store.sink.apply([dead, alive]);
      // What a crash leaves between the writing of the tombstone and the deleting of the row; and a tombstone under a newer row.
      await asAdmin((client) =>
        client.upsert({
          collection_name: `${own.collection}_tombstones`,
          data: [dead, alive].map(({ key }) => ({ id: key, version: 9, unused: [0, 0] })),
        }),
      );
      assert.deepEqual(await store.source.get('embedding', [dead.key]), [{ version: 9, entity: null }]);
      const removed = await Array.fromAsync(store.upkeep?.purgeTombstones('embedding', 10) ?? []);
      assert.deepEqual(removed, [2]);
      const [gone, kept] = await store.source.get('embedding', [dead.key, alive.key]);
      assert.equal(gone, undefined);
      assert.equal(kept?.version, 15);
      assert.equal(await store.source.count('embedding'), 1);
      await store.sink.apply([removal('embedding', alive.key, 20)]);
      assert.deepEqual(await store.source.get('embedding', [alive.key]), [{ version: 20, entity: null }]);
    } finally {
      await store.close();
      await dropCollections(own);
    }
  });
});
