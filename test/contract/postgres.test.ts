import { after } from 'node:test';
import { POSTGRES_KINDS } from '../../connectors/postgres/tables.ts';
import { dropSchema, openStore, testOptions } from '../connectors/postgres-support.ts';
import { storeContract } from './store.ts';

const options = testOptions();
after(() => dropSchema(options.schema));

storeContract('Postgres as a target', {
  kinds: POSTGRES_KINDS,
  open: async () => {
    const store = await openStore(options);
    await store.prepare();
    return store;
  },
  reopen: () => openStore(options),
  rounds: 25,
});
