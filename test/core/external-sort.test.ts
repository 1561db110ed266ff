import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type ChangeoverError, exitCodeOf } from '../../core/errors.ts';
import { type ExternalSortOptions, externalSort } from '../../core/external-sort.ts';
import { compareCodePoints } from '../../core/text.ts';

async function* each(lines: readonly string[]) {
  yield* lines;
}

async function leftovers(): Promise<number> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith('changeover-sort-')).length;
}

const line = fc
  .oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('a\rb', 'a\u2028b', 'a\u2029', '😀'))
  .filter((text) => !text.includes('\n'));

it('more lines than memory holds come out in order, all of them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 60 }),
      fc.integer({ min: 1, max: 9 }),
      async (lines, linesInMemory) => {
        const sorted = await Array.fromAsync(
          externalSort(each(lines), { compare: compareCodePoints, linesInMemory }),
        );
        assert.deepEqual(sorted, lines.toSorted(compareCodePoints));
      },
    ),
  );
});

it('repeated lines come out once where that is asked for', async () => {
  const options = { compare: compareCodePoints, linesInMemory: 2, unique: true };
  const sorted = await Array.fromAsync(externalSort(each(['b', 'a', 'b', 'c', 'a', 'b']), options));
  assert.deepEqual(sorted, ['a', 'b', 'c']);
});

it('temporary files go, also when the reader leaves early', async () => {
  const before = await leftovers();
  for await (const first of externalSort(each(['c', 'b', 'a']), {
    compare: compareCodePoints,
    linesInMemory: 1,
  })) {
    assert.equal(first, 'a');
    break;
  }
  assert.equal(await leftovers(), before);
});

describe('trouble with the folder for temporary files', () => {
  const spilling = { compare: compareCodePoints, linesInMemory: 2 };

  async function failureOf(lines: AsyncIterable<string>, options: ExternalSortOptions) {
    const error = await Array.fromAsync(externalSort(lines, options)).then(
      () => assert.fail('it was sorted'),
      (reason: unknown) => reason as ChangeoverError,
    );
    return [error.code, exitCodeOf(error), error.retryable, error.message, error.hint] as const;
  }

  async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'changeover-test-'));
    try {
      await work(folder);
      assert.deepEqual(await readdir(folder), [], 'something is left behind');
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  it('is called a full disk where the disk is full, in the middle of a sort too', () =>
    inFolder(async (folder) => {
      async function* filling() {
        yield* ['d', 'c'];
        const [own = ''] = await readdir(folder);
        await symlink('/dev/full', join(folder, own, '1.run'));
        yield* ['b', 'a'];
      }
      const [code, exitCode, retryable, message, hint] = await failureOf(filling(), { ...spilling, folder });
      assert.deepEqual([code, exitCode, retryable], ['no-space', 10, true]);
      assert.ok(message.startsWith(`The folder for temporary files, ${folder}, is full: ENOSPC`), message);
      assert.match(hint ?? '', /Free space there, or name another\.$/);
    }));

  it('is a fault of the configuration where it is not there or no folder', () =>
    inFolder(async (folder) => {
      const absent = join(folder, 'absent');
      const [code, exitCode, retryable, message] = await failureOf(each(['b', 'a']), {
        ...spilling,
        folder: absent,
      });
      assert.deepEqual([code, exitCode, retryable], ['config', 2, false]);
      assert.match(message, /absent, is not there: ENOENT/);
      const file = join(folder, 'file');
      await writeFile(file, '');
      assert.match((await failureOf(each(['b', 'a']), { ...spilling, folder: file }))[3], /is no folder/);
      await rm(file);
    }));

  it('names TMPDIR where nobody named a folder', async () => {
    const before = process.env.TMPDIR;
    process.env.TMPDIR = '/dev/null/nowhere';
    try {
      const [code, , , , hint] = await failureOf(each(['b', 'a']), spilling);
      assert.equal(code, 'config');
      assert.match(hint ?? '', /TMPDIR/);
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    }
  });

  it('is not what the lines ran into on their own way', async () => {
    const lost = Object.assign(new Error('ENOENT: elsewhere'), { code: 'ENOENT' });
    async function* failing() {
      yield* ['b', 'a'];
      throw lost;
    }
    await assert.rejects(Array.fromAsync(externalSort(failing(), spilling)), (error) => error === lost);
  });
});
