import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  type Lock,
  readHolder,
  stateOf,
  takeLock,
  thisProcess,
} from '../../connectors/dictionary/journal/lock.ts';
import type { EntityOf } from '../../schemas/change.ts';
import { upsert } from '../support/changes.ts';
import {
  agent,
  dictionaryFile,
  entities,
  legacyAgent,
  openDictionary,
  opened,
  temporaryFolder,
  tie,
} from './dictionary-support.ts';

/** A lock as a process leaves it that had our id before us. */
const dead = (token: string) => JSON.stringify({ ...thisProcess(), started: '1', token });

describe('the lock', () => {
  it('is taken by exactly one of many who find its holder dead', async (t) => {
    for (let round = 0; round < 10; round++) {
      const path = join(temporaryFolder(t), 'lock');
      writeFileSync(path, dead('gone'));
      // One of those who found it dead before us died in the midst of taking it.
      if (round % 2 === 1) writeFileSync(`${path}.after-gone`, dead('gone too'));
      const answers = await Promise.allSettled(Array.from({ length: 12 }, () => takeLock(path)));
      const taken = answers.filter((answer) => answer.status === 'fulfilled');
      assert.equal(taken.length, 1);
      for (const answer of answers)
        if (answer.status === 'rejected') assert.equal(answer.reason.code, 'conflict');
      assert.equal(stateOf((await readHolder(path)) ?? thisProcess()), 'alive');
      await taken[0]?.value.release();
      assert.deepEqual(readdirSync(join(path, '..')), []);
    }
  });

  it('is not taken from one who took it after we had looked', async (t) => {
    const path = join(temporaryFolder(t), 'lock');
    writeFileSync(path, dead('gone'));
    const original = fs.link;
    let others: Promise<Lock> | undefined;
    t.mock.method(fs, 'link', async (from: string, to: string) => {
      // We found the holder dead, and are slow: before we act on it, somebody else has done all that we are about to do.
      if (to.endsWith('.after-gone') && others === undefined) {
        others = takeLock(path);
        await others;
      }
      return original(from, to);
    });
    syncBuiltinESMExports();
    t.after(() => syncBuiltinESMExports());
    await assert.rejects(takeLock(path), { code: 'conflict' });
    await (await others)?.release();
    assert.deepEqual(readdirSync(join(path, '..')), []);
  });

  it('of a process on another machine is left alone, with a word on what to do', async (t) => {
    const path = join(temporaryFolder(t), 'lock');
    writeFileSync(path, JSON.stringify({ ...thisProcess(), host: 'elsewhere', token: 'x' }));
    await assert.rejects(takeLock(path), {
      code: 'conflict',
      message: /on elsewhere/,
      hint: /remove .*lock/,
    });
  });

  it('of a process in another container of this machine is left alone: its id means another process here', async (t) => {
    const path = join(temporaryFolder(t), 'lock');
    const elsewhere = { ...thisProcess(), pid: 1, started: '1', pidNamespace: 'pid:[1]' };
    writeFileSync(path, JSON.stringify({ ...elsewhere, token: 'x' }));
    await assert.rejects(takeLock(path), { code: 'conflict', hint: /remove .*lock/ });
    assert.equal(
      stateOf({ ...elsewhere, boot: 'before' }),
      'dead',
      'nobody outlives a restart of the machine',
    );
  });

  it('is not taken for dead after a restart of the machine gave its process id away', () => {
    assert.equal(stateOf({ ...thisProcess(), boot: 'before' }), 'dead');
    assert.equal(stateOf(thisProcess()), 'alive');
  });

  it('refuses a second writer in one process too, and is let go of at the end', async (t) => {
    const file = dictionaryFile(t, {});
    const first = await openDictionary(file);
    await first.sink.apply([upsert('agent', agent('a'), 1)]);
    const second = await opened(t, file);
    await assert.rejects(second.sink.apply([upsert('agent', agent('b'), 1)]), {
      code: 'conflict',
      message: /this very process/,
    });
    await first.close();
    await first.close();
    await second.sink.apply([upsert('agent', agent('b'), 1)]);
    assert.deepEqual(
      (await entities(second, 'agent')).map(({ id }) => id),
      ['a', 'b'],
    );
  });
});

describe('a reader beside the owner', () => {
  it('sees what was written whenever it asks, through every compaction', async (t) => {
    const file = dictionaryFile(t, { old: legacyAgent('old') });
    const owner = await opened(t, file, { compactAfterEntries: 7 });
    const reader = await opened(t, file);
    for (let n = 1; n <= 40; n++) {
      await owner.sink.apply([
        upsert('agent', agent(`agent ${n % 10}`, { n }), n),
        upsert('relationship', tie(`agent ${n % 10}`, 'old', { strength: n }), n),
      ]);
      const [held] = await reader.source.get('agent', [`agent ${n % 10}`]);
      assert.equal(held?.version, n);
      assert.deepEqual(await entities(reader, 'relationship'), await entities(owner, 'relationship'));
    }
  });

  it('never meets a mixture while it opens in the midst of compactions', async (t) => {
    const file = dictionaryFile(t, {});
    const owner = await opened(t, file, { compactAfterEntries: 1 });
    await owner.sink.apply([upsert('agent', agent('a', { n: 0 }), 1)]);
    let written = 0;
    let done = false;
    const writing = (async () => {
      for (let n = 1; n <= 60; n++) {
        await owner.sink.apply([upsert('agent', agent('a', { n }), n + 1)]);
        written = n;
      }
      done = true;
    })();
    while (!done) {
      const reader = await openDictionary(file);
      const before = written;
      const [held] = await reader.source.get('agent', ['a']);
      const entity = held?.entity as EntityOf['agent'];
      assert.equal(entity.attributes.n, (held?.version ?? 0) - 1, 'version and content belong together');
      assert.ok(Number(entity.attributes.n) >= before, 'nothing that was acknowledged is missing');
      await reader.close();
    }
    await writing;
  });
});
