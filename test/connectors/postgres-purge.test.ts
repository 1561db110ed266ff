import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import pg from 'pg';
import { POSTGRES_KINDS } from '../../connectors/postgres/tables.ts';
import { upkeepContract } from '../contract/upkeep.ts';
import { removal } from '../support/changes.ts';
import { asAdmin, dropSchema, openStore, testOptions } from './postgres-support.ts';

const options = testOptions();
after(() => dropSchema(options.schema));

upkeepContract('Postgres', {
  kinds: POSTGRES_KINDS,
  open: async () => {
    const store = await openStore(options);
    await store.prepare();
    return store;
  },
  reopen: () => openStore(options),
});

describe('a purge of Postgres', () => {
  it('passes over a tombstone that somebody is writing, without waiting for him', async () => {
    const own = testOptions();
    const store = await openStore(own);
    try {
      await store.prepare();
      await store.sink.apply(['held 1', 'held 2', 'free'].map((id) => removal('agent', id, 10)));
      const table = `${pg.escapeIdentifier(own.schema)}.agents_held`;
      await asAdmin(async (writer) => {
        await writer.query('BEGIN');
        await writer.query(`UPDATE ${table} SET version = 50 WHERE id LIKE 'held%'`);
        assert.deepEqual(await Array.fromAsync(store.upkeep?.purgeTombstones('agent', 20) ?? []), [1]);
        await writer.query('COMMIT');
      });
      assert.deepEqual(await Array.fromAsync(store.upkeep?.purgeTombstones('agent', 20) ?? []), [0]);
      assert.deepEqual(await store.source.get('agent', ['free', 'held 1', 'held 2']), [
        undefined,
        { version: 50, entity: null },
        { version: 50, entity: null },
      ]);
    } finally {
      await store.close();
      await dropSchema(own.schema);
    }
  });
});
