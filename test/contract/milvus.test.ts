import { after } from 'node:test';
import { dropCollections, openStore, testOptions } from '../connectors/milvus-support.ts';
import { storeContract } from './store.ts';

const options = testOptions();
after(() => dropCollections(options));

storeContract('Milvus as a target', {
  kinds: ['embedding'],
  open: async () => {
    const store = await openStore(options);
    await store.prepare();
    return store;
  },
  reopen: () => openStore(options),
  // Milvus has no conditional write: one writer per key is the rule.
  concurrentSinks: false,
  rounds: 8,
});
