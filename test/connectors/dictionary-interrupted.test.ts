import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
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

const STEPS = ['write', 'announce', 'rename-versions', 'rename-base', 'restart'] as const;

/** Begins to fold the journal, and dies after so many steps. */
async function interruptedAfter(file: string, done: number): Promise<void> {
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
}

describe('a compaction that is interrupted', () => {
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

      await interruptedAfter(file, done);

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

  it('is finished and followed by others while a reader opens it: the reader meets no mixture', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    const first = await openDictionary(file, { compactOnClose: false });
    await first.sink.apply(CHANGES);
    await first.close();
    await interruptedAfter(file, 2);
    const original = fs.open;
    let others: Promise<void> | undefined;
    t.mock.method(fs, 'open', async (...args: Parameters<typeof fs.open>) => {
      const opened = await original(...args);
      // The reader has the versions of the announced generation in hand, and not yet its base.
      if (String(args[0]).endsWith('.versions.compacted-1') && others === undefined) {
        others = twoMoreGenerations(file);
        await others;
      }
      return opened;
    });
    syncBuiltinESMExports();
    t.after(() => syncBuiltinESMExports());
    const seen = await stateIn(file);
    assert.ok(others !== undefined, 'the race took place');
    assert.deepEqual(seen, await stateIn(file));
    assert.equal(seen.agents.find(({ key }) => key === 'z')?.version, V + 3);
  });
});

async function twoMoreGenerations(file: string): Promise<void> {
  const owner = await openDictionary(file, { compactAfterEntries: 1 });
  for (const n of [1, 2, 3]) {
    await owner.sink.apply([
      upsert('agent', agent('z', { n }), V + n),
      upsert('relationship', tie('z', 'new', { strength: n }), V + n),
    ]);
  }
  await owner.close();
}
