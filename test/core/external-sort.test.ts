import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { it } from 'node:test';
import fc from 'fast-check';
import { externalSort } from '../../core/external-sort.ts';
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
