import assert from 'node:assert/strict';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { oversizeNumber, parseJsonExactly } from '../../connectors/dictionary/exact-json.ts';
import { IdSet } from '../../connectors/dictionary/read/id-set.ts';
import { Overlay } from '../../connectors/dictionary/read/overlay.ts';
import {
  carriedBy,
  SortedLines,
  sortLine,
  sortPrefix,
} from '../../connectors/dictionary/read/sorted-lines.ts';
import { toJson } from '../../core/json.ts';
import { compareCodePoints } from '../../core/text.ts';
import { upsert } from '../support/changes.ts';
import { agent, temporaryFolder, tie } from './dictionary-support.ts';

describe('a sort key', () => {
  it('sorts as its parts do, stands in one line, and carries its content unharmed', () => {
    const part = fc.string({
      unit: fc.constantFrom(
        '\u0001',
        '\n',
        '\u000b',
        '\u000c',
        '\r',
        '\u001f',
        ' ',
        'a',
        '\u2028',
        '\uffee',
        '😀',
      ),
    });
    const parts = fc.tuple(part, part);
    fc.assert(
      fc.property(parts, parts, (left, right) => {
        const expected = compareCodePoints(left[0], right[0]) || compareCodePoints(left[1], right[1]);
        assert.equal(Math.sign(compareCodePoints(sortPrefix(left), sortPrefix(right))), Math.sign(expected));
        assert.doesNotMatch(sortLine(left, JSON.stringify(right)), /\n/);
        if (left[0] !== '' && left[1] !== '')
          assert.deepEqual(JSON.parse(carriedBy(sortLine(left, JSON.stringify(right)))), right);
      }),
    );
  });
});

describe('the set of ids', () => {
  it('knows what was added, and nothing else', () => {
    const ids = new IdSet(8);
    for (let n = 0; n < 20_000; n++) assert.equal(ids.add(`agent ${n}`), true);
    for (let n = 0; n < 20_000; n++) assert.equal(ids.add(`agent ${n}`), false);
    for (let n = 0; n < 20_000; n++) {
      assert.equal(ids.has(`agent ${n}`), true);
      assert.equal(ids.has(`agent ${n}!`), false);
    }
    assert.equal(ids.size, 20_000);
  });
});

describe('exact JSON', () => {
  it('keeps a number that no double holds as its own text, and every other value as JSON.parse reads it', () => {
    const lost = [
      '12345678901234567891',
      '-9007199254740993',
      '1e400',
      '-1E+999',
      '1e-400',
      '123456789e300000',
    ];
    for (const digits of lost) {
      const value = parseJsonExactly(`{"a":[1, ${digits}]}`) as { a: unknown[] };
      assert.equal(oversizeNumber(value.a[1]), digits);
      assert.equal(toJson(value), `{"a":[1,${digits}]}`);
    }
    const kept = [
      '9007199254740992',
      '1e22',
      '5e-324',
      '0.1234567890123456789',
      '-0',
      '0e-400',
      '1.7976931348623157e308',
    ];
    for (const digits of kept)
      assert.ok(Object.is(parseJsonExactly(` ${digits}`), JSON.parse(digits)), digits);
    fc.assert(
      fc.property(fc.jsonValue(), (value) =>
        assert.deepEqual(parseJsonExactly(JSON.stringify(value)), JSON.parse(JSON.stringify(value))),
      ),
    );
  });
});

describe('sorted lines', () => {
  it('find every key and walk on from any, also with lines longer than a block', async (t) => {
    const keys = Array.from({ length: 3000 }, (_, n) => `key ${String(n).padStart(5, '0')}`);
    const lines = keys.flatMap((key, n) =>
      Array.from({ length: n % 500 === 3 ? 200 : 1 }, () =>
        JSON.stringify([key, 'x'.repeat(n % 700 === 0 ? 20_000 : n % 50)]),
      ),
    );
    const path = join(temporaryFolder(t), 'lines');
    await writeFile(path, `header\n${lines.join('\n')}\n`);
    const file = await open(path);
    t.after(() => file.close());
    const { size } = await file.stat();
    const sorted = await SortedLines.open(file, {
      path,
      start: 7,
      end: size,
      parse: (line) => JSON.parse(line) as [string, string],
      keyOf: ([key]) => [key],
    });
    const asked = keys.flatMap((key) => [key, `${key}?`]);
    const found = await sorted.find(asked.map((key) => [key]));
    for (const [at, key] of asked.entries()) {
      const expected = key.endsWith('?') ? 0 : (at / 2) % 500 === 3 ? 200 : 1;
      assert.deepEqual([found[at]?.length, found[at]?.every(([own]) => own === key)], [expected, true], key);
    }
    for (const from of [0, 1, 999, 2100, 2999]) {
      const cursor = sorted.cursor([`${keys[from]}`]);
      await cursor.load();
      let walked = 0;
      for (let head = cursor.head; head !== undefined; head = cursor.head) {
        walked++;
        cursor.advance();
        await cursor.load();
      }
      assert.equal(
        walked,
        lines.filter((line) => (JSON.parse(line) as [string])[0] >= `${keys[from]}`).length,
      );
    }
  });
});

describe('what the journal changed', () => {
  it('is the newest of each key, in whatever order it is read', () => {
    const overlay = new Overlay();
    for (const version of [2, 3, 1]) {
      overlay.put(upsert('agent', agent('a', { version }), version));
      overlay.put(upsert('relationship', tie('a', 'b', { strength: version }), version));
    }
    assert.equal(overlay.agents.get('a')?.entity?.attributes.version, 3);
    assert.deepEqual(
      [...(overlay.ties.get('a')?.values() ?? [])].map(({ entity }) => entity?.strength),
      [3],
    );
    assert.equal(overlay.entries, 2);
  });
});
