import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ChangeoverError } from '../../core/errors.ts';
import { agent, dictionaryFile, legacyAgent, openDictionary, opened, scanned } from './dictionary-support.ts';

describe('a dictionary that is cut off', () => {
  const whole = `{"a": ${JSON.stringify(legacyAgent('a'))}, "b": ${JSON.stringify(legacyAgent('b'))}}`;

  it('gives what is whole and names the place, wherever it was cut', async (t) => {
    for (let end = 1; end < whole.length; end++) {
      const store = await openDictionary(dictionaryFile(t, whole.slice(0, end)));
      const { rows, rejected } = await scanned(store, 'agent');
      assert.equal(rejected.length, 1, whole.slice(0, end));
      assert.match(rejected[0]?.reason ?? '', /the file ends/);
      const expected = [agent('a', { name: 'a' }), agent('b', { name: 'b' })];
      const wholeAgents = end >= whole.length - 1 ? 2 : end >= whole.indexOf(', "b"') ? 1 : 0;
      assert.deepEqual(
        rows.map(({ entity }) => entity),
        expected.slice(0, wholeAgents),
      );
      await store.close();
    }
  });

  it('is read as far as it goes when it is packed, too', async (t) => {
    const agents = Array.from({ length: 500 }, (_, n) => [
      `agent ${n}`,
      legacyAgent(`agent ${n}`, { n: Math.sin(n) }),
    ]);
    const packed = gzipSync(JSON.stringify(Object.fromEntries(agents)));
    const store = await opened(t, dictionaryFile(t, packed.subarray(0, packed.byteLength / 2)));
    const { rows, rejected } = await scanned(store, 'agent');
    assert.ok(rows.length > 100 && rows.length < 500, String(rows.length));
    assert.match(rejected[0]?.reason ?? '', /the file ends in the middle of agent/);
  });
});

describe('what is no dictionary at all gives one clear error:', () => {
  const cases: readonly [string, string, RegExp][] = [
    ['an empty file', '', /nothing in it/],
    ['blanks', ' \n ', /nothing in it/],
    ['a list', '[{"id": "a"}]', /begins with "\["/],
    ['a text', 'id,name\n1,x', /begins with "i"/],
  ];
  for (const [name, content, message] of cases) {
    it(name, async (t) => {
      await assert.rejects(openDictionary(dictionaryFile(t, content)), (error) => {
        assert.ok(error instanceof ChangeoverError);
        assert.equal(error.code, 'mismatch');
        assert.match(error.message, message);
        return error.hint !== undefined;
      });
    });
  }
});
