import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import { dictionaryConnector } from '../../connectors/dictionary/connector.ts';
import type { Clock } from '../../core/clock.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { CAPTURE_TEST_SETTINGS, captureContract } from './capture.ts';

const folder = mkdtempSync(join(tmpdir(), 'changeover-capture-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const kinds = dictionaryConnector.kinds.legacy;
let places = 0;

/** With a journal that is never folded while the suite runs, and one that is all the time. */
for (const { name, compactAfterEntries } of [
  { name: 'plain', compactAfterEntries: 100_000 },
  { name: 'compacting', compactAfterEntries: 1 },
]) {
  captureContract(`the dictionary (${name})`, {
    kinds,
    concurrentClients: false,
    claimExpires: false,
    place: async (outbox = {}) => {
      const own = join(folder, String(places++));
      mkdirSync(own);
      let aheadUs = 0;
      const clock: Clock = { ...systemClock, nowUs: () => systemClock.nowUs() + aheadUs };
      const options = { file: join(own, 'society.json'), create: true, compactAfterEntries, outbox };
      let last: Store | undefined;
      return {
        open: async () => {
          last = await dictionaryConnector.open(dictionaryConnector.options.parse(options), {
            name: 'legacy.dictionary',
            role: 'legacy',
            kinds,
            logger: silentLogger,
            clock,
            capture: CAPTURE_TEST_SETTINGS,
          });
          return last;
        },
        // It was an hour ahead when something was written, and is right again.
        setClockBack: async () => {
          aheadUs = 3_600_000_000;
          await last?.capture?.write([{ kind: 'agent', key: 'early', entity: null }]);
          aheadUs = 0;
        },
        rollBack: async (write) => {
          const undo = await withFullDisk();
          try {
            await assert.rejects(last?.capture?.write([write]) ?? Promise.resolve(), { code: 'no-space' });
          } finally {
            undo();
          }
        },
        remove: async () => rmSync(own, { recursive: true }),
      };
    },
  });
}

/** From now on no file takes another byte. */
async function withFullDisk(): Promise<() => void> {
  const handle = await fs.open(folder, 'r');
  const prototype = Object.getPrototypeOf(handle) as { write: unknown };
  await handle.close();
  const { write } = prototype;
  prototype.write = async () => {
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  };
  return () => {
    prototype.write = write;
  };
}
