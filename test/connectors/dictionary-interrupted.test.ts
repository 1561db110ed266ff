import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import { compactionSteps } from '../../connectors/dictionary/compaction.ts';
import { dictionaryOptions } from '../../connectors/dictionary/options.ts';
import { dictionaryPaths } from '../../connectors/dictionary/paths.ts';
import { openForWriting } from '../../connectors/dictionary/writable.ts';
import { silentLogger } from '../../core/logger.ts';
import { removal, upsert } from '../support/changes.ts';
import { CHANGES, LEGACY, stateIn, stateOf, V } from './dictionary-sample.ts';
import { agent, dictionaryFile, openDictionary, tie } from './dictionary-support.ts';

describe('a compaction that is interrupted', () => {
  const STEPS = ['write', 'announce', 'rename-versions', 'rename-base', 'restart'] as const;
  for (const [done, last] of [[0, 'nothing'] as const, ...STEPS.map((name, at) => [at + 1, name] as const)]) {
    it(`after ${last}: shows the same state to a reader, to the next owner, and after the next compaction`, async (t) => {
      const file = dictionaryFile(t, LEGACY);
      // An earlier generation, whose versions file holds ties that move into the base in this one.
      const first = await openDictionary(file);
      await first.sink.apply(CHANGES);
      await first.close();
      const store = await openDictionary(file, { compactOnClose: false });
      await store.sink.apply([
        upsert('agent', agent('ghost'), V + 1),
        upsert('agent', agent('b', { back: true }), V + 1),
        removal('agent', 'a', V + 1),
        upsert('relationship', tie('a', 'z', { type: 'LATE' }), V + 1),
      ]);
      const expected = await stateOf(store);
      await store.close();

      const paths = dictionaryPaths(file);
      const settings = dictionaryOptions.parse({ file });
      const mark = { role: 'legacy', name: 'legacy.dictionary' } as const;
      const writable = await openForWriting({ paths, settings, mark, create: false, logger: silentLogger });
      const { snapshot, header, journal } = writable;
      const steps = compactionSteps({
        paths,
        snapshot,
        header,
        maxAgentBytes: settings.maxAgentBytes,
        logger: silentLogger,
        appendFrame: (payload) => journal.appendFrame(payload),
      });
      assert.deepEqual(
        steps.map(({ name }) => name),
        STEPS,
      );
      for (const step of steps.slice(0, done)) await step.run();
      await snapshot.release();

      assert.deepEqual(await stateIn(file), expected);
      const next = await openDictionary(file, { compactOnClose: true });
      await next.sink.apply([upsert('agent', agent('z', { touched: true }), V + 2)]);
      await next.sink.apply([upsert('agent', agent('z', { name: 'z' }), V + 3)]);
      const now = await stateOf(next);
      assert.deepEqual(now.ties, expected.ties);
      await next.close();
      const after = await stateIn(file);
      assert.deepEqual(after.ties, expected.ties);
      assert.deepEqual(after.tombstones, expected.tombstones);
      const leftovers = readdirSync(dirname(file)).filter(
        (name) => !/^dictionary\.json(\.journal|\.versions)?$/.test(name),
      );
      assert.deepEqual(leftovers, []);
    });
  }
});
