import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { dictionaryConnector } from '../../connectors/dictionary/connector.ts';
import { dictionaryError } from '../../connectors/dictionary/errors.ts';
import { versionsHeader } from '../../connectors/dictionary/read/versions-file.ts';
import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import { upsert } from '../support/changes.ts';
import {
  agent,
  dictionaryFile,
  entities,
  legacyAgent,
  openDictionary,
  opened,
  temporaryFolder,
} from './dictionary-support.ts';

const LEGACY = { a: legacyAgent('a') };
const CHANGE = upsert('agent', agent('b'), 1);

describe('the mark of the role', () => {
  it('keeps legacy and target apart, whoever comes first and whether he prepares or writes', async (t) => {
    for (const [first, second] of [
      ['legacy', 'target'],
      ['target', 'legacy'],
    ] as const) {
      const file = join(temporaryFolder(t), 'dictionary.json');
      const owner = await opened(t, file, { role: first, create: true });
      await owner.prepare();
      const other = await opened(t, file, { role: second, create: true });
      const conflict = {
        code: 'conflict',
        message: new RegExp(`belongs to ${first}.dictionary \\(${first}\\)`),
      };
      await assert.rejects(other.prepare(), conflict);
      await assert.rejects(other.sink.apply([CHANGE]), conflict);
      const mark = (await other.probe.check()).find(({ check }) => check === 'mark');
      assert.equal(mark?.ok, false);
      await owner.sink.apply([CHANGE]);
    }
  });

  it('does not let a target take over a dictionary that is there already', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    const store = await opened(t, file, { role: 'target' });
    const conflict = { code: 'conflict', message: /did not make/ };
    await assert.rejects(store.prepare(), conflict);
    await assert.rejects(store.sink.apply([CHANGE]), conflict);
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), LEGACY);
    assert.deepEqual(readdirSync(dirname(file)), ['dictionary.json']);
  });

  it('is left by many who prepare at once as by one', async (t) => {
    const file = join(temporaryFolder(t), 'deep', 'dictionary.json');
    const stores = await Promise.all(Array.from({ length: 8 }, () => opened(t, file, { role: 'target' })));
    await Promise.all(stores.map((store) => store.prepare()));
    assert.deepEqual(readdirSync(dirname(file)).sort(), ['dictionary.json', 'dictionary.json.journal']);
  });

  it('survives compaction', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    const store = await openDictionary(file);
    await store.sink.apply([CHANGE]);
    await store.close();
    const other = await opened(t, file, { role: 'target' });
    await assert.rejects(other.prepare(), { code: 'conflict' });
  });

  it('is not needed for reading: a legacy dictionary is read without a file being made beside it', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    const store = await opened(t, file);
    assert.equal((await entities(store, 'agent')).length, 1);
    assert.deepEqual(
      (await store.probe.check()).filter(({ ok }) => !ok),
      [],
    );
    assert.deepEqual(readdirSync(dirname(file)), ['dictionary.json']);
  });

  it('is not needed for a packed dictionary, which is only read', async (t) => {
    const file = dictionaryFile(t, gzipSync(JSON.stringify(LEGACY)));
    const store = await opened(t, file);
    await store.prepare();
    assert.equal((await entities(store, 'agent')).length, 1);
    assert.deepEqual(readdirSync(dirname(file)), ['dictionary.json']);
    await assert.rejects(store.sink.apply([CHANGE]), { code: 'config', message: /packed with gzip/ });
  });
});

describe('a dictionary that cannot be used gives one clear error:', () => {
  async function failure(work: () => Promise<unknown>): Promise<ChangeoverError> {
    try {
      await work();
    } catch (error) {
      assert.ok(error instanceof ChangeoverError, String(error));
      assert.doesNotMatch(error.message, /\n/);
      assert.ok(error.hint !== undefined);
      return error;
    }
    throw new assert.AssertionError({ message: 'nothing was thrown' });
  }

  it('a legacy file that is missing', async (t) => {
    const file = join(temporaryFolder(t), 'missing.json');
    const error = await failure(() => openDictionary(file));
    assert.equal(error.message, `There is no dictionary ${file}.`);
    assert.match(error.hint ?? '', /`legacy\.dictionary\.file`.*`legacy\.dictionary\.create: true`/);
    assert.deepEqual([error.code, error.retryable, error.exitCode], ['config', false, 2]);
  });

  it('a legacy file that vanished', async (t) => {
    const file = join(temporaryFolder(t), 'missing.json');
    const store = await opened(t, file, { create: true });
    assert.equal((await failure(() => entities(store, 'agent'))).code, 'unreachable');
    const fileCheck = (await store.probe.check()).find(({ check }) => check === 'file');
    assert.deepEqual([fileCheck?.ok, fileCheck?.fix !== undefined], [false, true]);
  });

  it('a folder, and a path through a file', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    assert.equal((await failure(() => openDictionary(dirname(file)))).code, 'config');
    assert.equal((await failure(() => openDictionary(join(file, 'x')))).code, 'config');
  });

  it('no right to read it, and none to write beside it', {
    skip: process.getuid?.() !== 0 && 'needs root to become somebody else',
  }, async (t) => {
    const NOBODY = 65_534;
    const file = dictionaryFile(t, LEGACY);
    const asNobody = async <T>(work: () => Promise<T>): Promise<T> => {
      process.seteuid?.(NOBODY);
      try {
        return await work();
      } finally {
        process.seteuid?.(0);
      }
    };
    const unreadable = await asNobody(() => failure(() => openDictionary(file)));
    assert.deepEqual([unreadable.code, unreadable.exitCode], ['forbidden', 7]);
    chmodSync(dirname(file), 0o755);
    await asNobody(async () => {
      const store = await openDictionary(file);
      await store.prepare();
      assert.equal((await entities(store, 'agent')).length, 1, 'it can be read');
      assert.equal((await failure(() => store.sink.apply([CHANGE]))).code, 'forbidden');
      await store.close();
      const target = await openDictionary(join(dirname(file), 'target.json'), { role: 'target' });
      assert.equal((await failure(() => target.prepare())).code, 'forbidden');
      await target.close();
    });
  });

  it('a journal or a versions file of a later format', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    writeFileSync(`${file}.versions`, '{"changeover":"dictionary-versions","format":99}\n');
    const later = await opened(t, file);
    assert.equal((await failure(() => entities(later, 'agent'))).code, 'unsupported');
    writeFileSync(`${file}.versions`, 'something else\n');
    assert.equal((await failure(() => entities(later, 'agent'))).code, 'mismatch');
    const base = { bytes: readFileSync(file).byteLength, checksum: 0 };
    writeFileSync(`${file}.versions`, `${versionsHeader({ generation: 0, base })}["agent","a"\n`);
    assert.equal((await failure(() => entities(later, 'agent'))).code, 'mismatch');
  });

  it('a kind that it does not hold', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    const context = {
      name: 'legacy.dictionary',
      role: 'legacy',
      kinds: ['embedding'],
      logger: silentLogger,
      clock: systemClock,
    } as const;
    const options = dictionaryConnector.options.parse({ file });
    assert.equal((await failure(() => dictionaryConnector.open(options, context))).code, 'config');
  });

  it('whatever the operating system says', () => {
    const expected: Readonly<Record<string, string>> = {
      ENOSPC: 'no-space',
      EDQUOT: 'no-space',
      EACCES: 'forbidden',
      EPERM: 'forbidden',
      EROFS: 'forbidden',
      ENOENT: 'unreachable',
      EMFILE: 'unreachable',
      EIO: 'unreachable',
      EISDIR: 'config',
    };
    for (const [code, meaning] of Object.entries(expected)) {
      const error = dictionaryError(Object.assign(new Error(`${code}: bad luck`), { code }), 'read x');
      assert.deepEqual([error.code, error.message.startsWith('Cannot read x: ')], [meaning, true]);
    }
  });
});
