import { KINDS } from '../../schemas/kinds.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { storeContract } from './store.ts';

const store = new MemoryStore();

storeContract('the store in memory', {
  kinds: KINDS,
  open: async () => store,
  reopen: async () => store,
  rounds: 100,
});
