import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { removal, upsert } from '../support/changes.ts';
import { interruptedAfter, STEPS } from './dictionary-interrupted-support.ts';
import { CHANGES, LEGACY, stateIn, stateOf, V } from './dictionary-sample.ts';
import { agent, dictionaryFile, openDictionary, tie } from './dictionary-support.ts';

const CHANGE = upsert('agent', agent('z', { touched: true }), V + 2);

/** An earlier generation, whose versions file holds ties that move into the base in this one; then a full journal. */
async function withFullJournal(t: TestContext) {
  const file = dictionaryFile(t, LEGACY);
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
  return { file, expected };
}

describe('a compaction that is interrupted', () => {
  for (const [done, last] of [[0, 'nothing'] as const, ...STEPS.map((name, at) => [at + 1, name] as const)]) {
    it(`after ${last}: shows the same state to a reader, to the next owner, and after the next compaction`, async (t) => {
      const { file, expected } = await withFullJournal(t);

      await interruptedAfter(file, done);

      assert.deepEqual(await stateIn(file), expected);
      const next = await openDictionary(file, { compactOnClose: true });
      await next.sink.apply([CHANGE]);
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

  it('makes the names of the next files durable before it announces them', async (t) => {
    const { file } = await withFullJournal(t);
    const synced: string[] = [];
    const original = fs.open;
    t.mock.method(fs, 'open', async (...args: Parameters<typeof fs.open>) => {
      const handle = await original(...args);
      const { sync } = handle;
      handle.sync = async () => {
        synced.push(String(args[0]));
        await sync.call(handle);
      };
      return handle;
    });
    syncBuiltinESMExports();
    t.after(() => syncBuiltinESMExports());
    await interruptedAfter(file, 1);
    const written = [`${file}.compacted-2`, `${file}.versions.compacted-2`];
    assert.deepEqual(synced, [...written, dirname(file)]);
  });

  describe('keeps the journal, which is the only copy then, when of what it announced', () => {
    const names = { base: '.compacted-2', versions: '.versions.compacted-2' };
    const LOST: readonly [string, number, (file: string) => readonly string[]][] = [
      ['nothing is there', 2, (file) => [file + names.base, file + names.versions]],
      ['the base is gone', 2, (file) => [file + names.base]],
      ['the versions are gone', 2, (file) => [file + names.versions]],
      ['the base is gone after the versions were renamed', 3, (file) => [file + names.base]],
      ['the base was overwritten after all was renamed', 4, (file) => [file]],
      ['the versions were overwritten after all was renamed', 4, (file) => [`${file}.versions`]],
    ];
    for (const [name, done, lost] of LOST) {
      it(name, async (t) => {
        const { file, expected } = await withFullJournal(t);
        await interruptedAfter(file, done);
        const journal = readFileSync(`${file}.journal`);
        const copies = lost(file).map((path) => ({ path, content: readFileSync(path) }));
        for (const harm of [removed, cut, altered]) {
          for (const { path } of copies) harm(path, path.includes('.compacted-'));
          const before = readdirSync(dirname(file));
          const owner = await openDictionary(file);
          await assert.rejects(owner.sink.apply([CHANGE]), {
            code: 'mismatch',
            message: /compaction has written dictionary\.json.*\.compacted-2, but no such file/,
            hint: /the journal still holds/,
          });
          await owner.close();
          assert.deepEqual(readFileSync(`${file}.journal`), journal);
          assert.deepEqual(readdirSync(dirname(file)), before, 'nothing was renamed or removed');
          // A reader does not read everything; what it meets, it does not take for the dictionary.
          if (harm !== altered) await assert.rejects(stateIn(file), { code: 'mismatch' });
          for (const { path, content } of copies) writeFileSync(path, content);
        }
        assert.deepEqual(await stateIn(file), expected);
        const owner = await openDictionary(file);
        await owner.sink.apply([CHANGE]);
        assert.deepEqual((await stateOf(owner)).ties, expected.ties);
        await owner.close();
      });
    }
  });

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

function removed(path: string, mayGo: boolean): void {
  if (mayGo) rmSync(path);
  else writeFileSync(path, '{}');
}

function cut(path: string): void {
  truncateSync(path, statSync(path).size - 1);
}

/** Of the same size. */
function altered(path: string): void {
  const content = readFileSync(path);
  const at = content.lastIndexOf('z');
  content.write('y', at);
  writeFileSync(path, content);
}
