import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { removal, upsert } from '../support/changes.ts';
import {
  agent,
  dictionaryFile,
  entities,
  openDictionary,
  opened,
  temporaryFolder,
  tie,
} from './dictionary-support.ts';

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
      /its key is "another"/,
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
  // There is no room for the file a second time: folding has to wait, and what it had begun is taken away again.
  const cramped = await openDictionary(file);
  await cramped.sink.apply([upsert('agent', agent('last'), 5000)]);
  await cramped.close();
  assert.deepEqual(readdirSync(folder).sort(), ['dictionary.json', 'dictionary.json.journal']);
  const again = await openDictionary(file, { compactOnClose: false });
  assert.equal((await entities(again, 'agent')).length, n + 2);
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
