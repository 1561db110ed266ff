import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Store } from '../../connectors/connector.ts';
import { upsert } from '../support/changes.ts';
import { CHANGES, LEGACY, stateIn, stateOf, V } from './dictionary-sample.ts';
import { agent, dictionaryFile, legacyAgent, openDictionary, opened, scanned } from './dictionary-support.ts';

/** Everything that makes use of a version. */
const USES: Readonly<Record<string, (store: Store) => Promise<unknown>>> = {
  get: (store) => store.source.get('agent', ['a']),
  scan: (store) => scanned(store, 'relationship'),
  apply: (store) => store.sink.apply([upsert('agent', agent('a'), V + 1)]),
};

/** A dictionary that was followed, compacted and closed. */
async function followed(t: TestContext): Promise<string> {
  const file = dictionaryFile(t, LEGACY);
  const store = await openDictionary(file);
  await store.sink.apply(CHANGES);
  await store.close();
  return file;
}

async function assertRefused(file: string, expected: object): Promise<void> {
  const names = readdirSync(dirname(file));
  const content = readFileSync(file);
  for (const use of Object.values(USES)) {
    const store = await openDictionary(file);
    await assert.rejects(use(store), expected);
    await store.close();
  }
  assert.deepEqual(readFileSync(file), content);
  assert.deepEqual(readdirSync(dirname(file)), names);
}

describe('versions beside a base that somebody else has written', () => {
  const conflict = { code: 'conflict', message: /somebody else has written it since/, hint: /versions/ };

  it('label nothing: not what the application dumped out of its older memory', async (t) => {
    const file = await followed(t);
    writeFileSync(file, JSON.stringify(LEGACY));
    await assertRefused(file, conflict);
    const probed = (await (await opened(t, file)).probe.check()).filter(({ ok }) => !ok);
    assert.deepEqual(
      probed.map(({ check, fix }) => [check, conflict.hint.test(fix ?? '')]),
      [['journal', true]],
      'before work begins',
    );
  });

  it('label nothing where not even the size has changed', async (t) => {
    const file = await followed(t);
    const content = readFileSync(file, 'utf8');
    writeFileSync(file, content.replace('"changed"', '"chanced"'));
    await assertRefused(file, conflict);
  });

  it('do not go into the next generation when the base is replaced under its owner', async (t) => {
    const file = await followed(t);
    const store = await openDictionary(file, { compactAfterEntries: 1 });
    await store.sink.apply([upsert('agent', agent('a'), V + 1)]);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"changed"', '"chanced"'));
    await assert.rejects(store.sink.apply([upsert('agent', agent('a'), V + 2)]), { code: 'conflict' });
    await store.close();
    assert.match(readFileSync(file, 'utf8'), /chanced/);
    await assertRefused(file, conflict);
  });

  it('hold again when what was written with them is put back, by whatever copy, packed too', async (t) => {
    const file = await followed(t);
    const expected = await stateIn(file);
    const copy = readFileSync(file);
    writeFileSync(file, '{}');
    rmSync(file);
    writeFileSync(file, copy);
    assert.deepEqual(await stateIn(file), expected);
    writeFileSync(file, gzipSync(copy));
    assert.deepEqual(await stateIn(file), expected);
  });

  it('are forgotten with the journal, so that the application can be the writer again', async (t) => {
    const file = await followed(t);
    writeFileSync(file, JSON.stringify(LEGACY));
    rmSync(`${file}.versions`);
    rmSync(`${file}.journal`);
    const store = await opened(t, file);
    const { rows } = await scanned(store, 'agent');
    assert.deepEqual(
      rows.map(({ key, version }) => [key, version]),
      [
        ['a', null],
        ['b', null],
        ['z', null],
      ],
    );
    await store.sink.apply(CHANGES);
    await store.close();
    assert.equal((await stateIn(file)).agents.find(({ key }) => key === 'new')?.version, V);
  });
});

describe('the files of a dictionary', () => {
  const mismatch = { code: 'mismatch', message: /not of one moment/ };

  it('are not used without the versions that the journal follows', async (t) => {
    const file = await followed(t);
    rmSync(`${file}.versions`);
    await assertRefused(file, mismatch);
  });

  it('are not used with a journal of another moment', async (t) => {
    const file = await followed(t);
    cpSync(`${file}.journal`, `${file}.copy`);
    const store = await openDictionary(file);
    await store.sink.apply([upsert('agent', agent('a'), V + 1)]);
    await store.close();
    renameSync(`${file}.copy`, `${file}.journal`);
    await assertRefused(file, mismatch);
  });

  it('are used without a journal, by what the versions say, and then with a new one', async (t) => {
    const file = await followed(t);
    const expected = await stateIn(file);
    rmSync(`${file}.journal`);
    assert.deepEqual(await stateIn(file), expected);
    for (const version of [V + 1, V + 2]) {
      const store = await openDictionary(file);
      await store.sink.apply([upsert('agent', agent('a', { version }), version)]);
      await store.close();
    }
    const { agents, tombstones } = await stateIn(file);
    assert.equal(agents.find(({ key }) => key === 'a')?.version, V + 2);
    assert.deepEqual(tombstones, expected.tombstones);
  });
});

describe('a legacy dictionary without versions', () => {
  it('is written by its application whenever that likes, prepared or not', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    const store = await opened(t, file);
    await store.prepare();
    for (const id of ['first', 'second']) {
      writeFileSync(file, JSON.stringify({ [id]: legacyAgent(id) }));
      const { agents } = await stateOf(store);
      assert.deepEqual(
        agents.map(({ key, version }) => [key, version]),
        [[id, null]],
      );
    }
  });

  it('may be written beside a journal that was never folded: what that says holds, the rest is new', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    const store = await openDictionary(file, { compactOnClose: false });
    await store.sink.apply([upsert('agent', agent('a', { followed: true }), V)]);
    await store.close();
    writeFileSync(file, JSON.stringify({ a: legacyAgent('a'), other: legacyAgent('other') }));
    const { agents } = await stateIn(file);
    assert.deepEqual(
      agents.map(({ key, version }) => [key, version]),
      [
        ['a', V],
        ['other', null],
      ],
    );
  });
});
