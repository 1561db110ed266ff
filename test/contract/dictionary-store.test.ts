import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { Role } from '../../connectors/connector.ts';
import { dictionaryConnector } from '../../connectors/dictionary/connector.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { storeContract } from './store.ts';

const folder = mkdtempSync(join(tmpdir(), 'changeover-contract-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** With a journal that is never folded while the suite runs, one that is all the time, and in the other role. */
const VARIANTS = [
  { name: 'plain', role: 'legacy', compactAfterEntries: 100_000 },
  { name: 'compacting', role: 'legacy', compactAfterEntries: 1 },
  { name: 'journal-only', role: 'target', compactAfterEntries: 100_000, compactOnClose: false },
] as const;

for (const { name, role, ...limits } of VARIANTS) {
  const options = { file: join(folder, `${name}.json`), create: true, ...limits };
  const reopen = async (as: Role = role) =>
    dictionaryConnector.open(dictionaryConnector.options.parse(options), {
      name: `${as}.dictionary`,
      role: as,
      kinds: dictionaryConnector.kinds[as],
      logger: silentLogger,
      clock: systemClock,
    });
  storeContract(`the dictionary (${name})`, {
    kinds: dictionaryConnector.kinds[role],
    concurrentSinks: false,
    open: async () => {
      const store = await reopen();
      await store.prepare();
      return store;
    },
    reopen: () => reopen(),
  });
}
