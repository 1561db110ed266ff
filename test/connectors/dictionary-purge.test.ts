import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import { dictionaryConnector } from '../../connectors/dictionary/connector.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { upkeepContract } from '../contract/upkeep.ts';

const folder = mkdtempSync(join(tmpdir(), 'changeover-purge-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Tombstones in the journal only, in the file as well, and in the other role. */
const VARIANTS = [
  { name: 'journal', role: 'target', compactOnClose: false },
  { name: 'file', role: 'target', compactAfterEntries: 1 },
  { name: 'origin', role: 'legacy' },
] as const;

for (const { name, role, ...settings } of VARIANTS) {
  const file = join(folder, `${name}.json`);
  const open = (): Promise<Store> =>
    dictionaryConnector.open(dictionaryConnector.options.parse({ file, create: true, ...settings }), {
      name: `${role}.dictionary`,
      role,
      kinds: dictionaryConnector.kinds[role],
      logger: silentLogger,
      clock: systemClock,
    });
  upkeepContract(`the dictionary (${name})`, {
    kinds: dictionaryConnector.kinds[role],
    concurrentSinks: false,
    inOneStep: true,
    open: async () => {
      const store = await open();
      await store.prepare();
      return store;
    },
    reopen: open,
  });
}
