import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readHolder, takeLock } from '../../connectors/dictionary/lock.ts';
import { stateOf, thisProcess } from '../../connectors/dictionary/process-identity.ts';
import type { EntityOf } from '../../schemas/change.ts';
import { removal, upsert } from '../support/changes.ts';
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

  it('of a process on another machine is left alone, with a word on what to do', async (t) => {
    const path = join(temporaryFolder(t), 'lock');
    writeFileSync(path, JSON.stringify({ ...thisProcess(), host: 'elsewhere', token: 'x' }));
    await assert.rejects(takeLock(path), {
      code: 'conflict',
      message: /on elsewhere/,
      hint: /remove .*lock/,
    });
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

describe('a batch', () => {
  it('is applied but for what can never be held, each of which is named', async (t) => {
    const store = await opened(t, dictionaryFile(t, {}));
    const bad = [
      upsert('agent', { ...agent('x'), attributes: { n: Number.NaN } }, 1),
      upsert('agent', agent('nul\u0000'), 1),
      removal('agent', '', 1),
      upsert('agent', agent('fraction'), 1.5),
      { ...upsert('agent', agent('key'), 1), key: 'another' },
      upsert('agent', agent('huge', { text: 'x'.repeat(9 * 1024 * 1024) }), 1),
      upsert('relationship', tie('a', 'b', { strength: 101 }), 1),
      upsert('relationship', tie('a', 'b', { type: 'NO NAME' }), 1),
      removal('relationship', 'no key', 1),
    ];
    const good = [upsert('agent', agent('good'), 1), upsert('relationship', tie('good', 'friend'), 1)];
    const outcomes = await store.sink.apply(
      [good[0], ...bad, good[1]].filter((change) => change !== undefined),
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['applied', ...bad.map(() => 'rejected'), 'applied'],
    );
    const reasons = outcomes.flatMap((outcome) => ('reason' in outcome ? [outcome.reason] : []));
    for (const [at, reason] of [
      /NaN|finite/,
      /NUL/,
      /empty/,
      /version 1\.5/,
      /key is not its id/,
      /more than the 8388608/,
      /101/,
      /NO NAME/,
      /Not the key/,
    ].entries())
      assert.match(reasons[at] ?? '', reason);
    assert.deepEqual(
      (await entities(store, 'agent')).map(({ id }) => id),
      ['good'],
    );
    assert.equal(await store.source.count('relationship'), 1);
  });

  it('waits when the disk is full, keeps what was acknowledged, and goes on when there is room', async (t) => {
    const folder = join(temporaryFolder(t), 'disk');
    if (!mounted(folder, 400)) return t.skip('nobody lets us mount a file system here');
    try {
      await fillAndGoOn(folder);
    } finally {
      execFileSync('umount', [folder]);
    }
  });
});

async function fillAndGoOn(folder: string): Promise<void> {
  const file = join(folder, 'dictionary.json');
  writeFileSync(join(folder, 'ballast'), Buffer.alloc(150 * 1024));
  const store = await openDictionary(file, { create: true, compactOnClose: false });
  await store.prepare();
  let n = 0;
  const fill = async () => {
    for (; n < 1000; n++)
      await store.sink.apply([upsert('agent', agent(`agent ${n}`, { text: 'x'.repeat(5000) }), n + 1)]);
  };
  await assert.rejects(fill, { code: 'no-space', retryable: true, message: /the disk is full/ });
  assert.ok(n > 5 && n < 1000);
  assert.equal((await entities(store, 'agent')).length, n);
  rmSync(join(folder, 'ballast'));
  await store.sink.apply([upsert('agent', agent('after'), 5000)]);
  await store.close();
  const again = await openDictionary(file, { compactOnClose: false });
  assert.equal((await entities(again, 'agent')).length, n + 1);
  await again.close();
}

/** Makes a file system of its own of so many kilobytes. */
function mounted(folder: string, kilobytes: number): boolean {
  mkdirSync(folder);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
