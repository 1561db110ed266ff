import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ChangeoverError } from '../../core/errors.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { agent, dictionaryFile, legacyAgent, openDictionary, opened, scanned } from './dictionary-support.ts';

/** Two agents that are in order stand around what is wrong: the rest goes on. */
const around = (member: string) =>
  `{\n"a": ${JSON.stringify(legacyAgent('a', { friends: ['z'] }))},\n${member},\n"z": ${JSON.stringify(legacyAgent('z'))}\n}`;

const withFields = (fields: object) => around(`"m": ${JSON.stringify({ ...legacyAgent('m'), ...fields })}`);
const withMemory = (memory: object) =>
  around(`"m": ${JSON.stringify(legacyAgent('m', memory as Record<string, unknown>))}`);

interface Planted {
  readonly name: string;
  readonly content: string | Uint8Array;
  readonly where: RegExp;
  readonly reason: RegExp;
}

const AGENTS: readonly Planted[] = [
  {
    name: 'an agent that is a number',
    content: around('"m": 7'),
    where: /line 3 \(byte \d+\), agent "m"$/,
    reason: /the number 7, not an object/,
  },
  {
    name: 'an agent that is a list',
    content: around('"m": [{"id": "m"}]'),
    where: /agent "m"/,
    reason: /a list, not an object/,
  },
  {
    name: 'an agent that is null',
    content: around('"m": null'),
    where: /agent "m"/,
    reason: /null, not an object/,
  },
  {
    name: 'JSON that is broken inside of an agent',
    content: around('"m": {"id": m}'),
    where: /line 3 .*agent "m"/,
    reason: /not JSON/,
  },
  {
    name: 'a number that JSON does not know',
    content: around('"m": {"attributes": {"age": NaN}}'),
    where: /agent "m"/,
    reason: /not JSON/,
  },
  { name: 'crossed brackets', content: around('"m": {"id": ["m"}]'), where: /agent "m"/, reason: /not JSON/ },
  {
    name: 'an id that is a number',
    content: withFields({ id: 7 }),
    where: /agent "m", id$/,
    reason: /the number 7, not a string/,
  },
  {
    name: 'an id that is not the key',
    content: withFields({ id: 'other' }),
    where: /agent "m", id$/,
    reason: /"other" is not the id/,
  },
  {
    name: 'an empty id',
    content: around('"": {"id": ""}'),
    where: /line 3 \(byte \d+\)$/,
    reason: /id is empty/,
  },
  { name: 'an id with NUL', content: around('"m\\u0000": {}'), where: /line 3/, reason: /NUL/ },
  {
    name: 'an id with half of a surrogate pair',
    content: around('"m\\ud800": {}'),
    where: /line 3/,
    reason: /surrogate/,
  },
  {
    name: 'an id that is too long',
    content: around(`"${'m'.repeat(1025)}": {}`),
    where: /agent "mmm/,
    reason: /longer than 1024 bytes/,
  },
  {
    name: 'an id that is not UTF-8',
    content: Buffer.from(around('"m\u00ff": {}'), 'latin1'),
    where: /line 3/,
    reason: /not valid UTF-8/,
  },
  {
    name: 'bytes that are not UTF-8',
    content: Buffer.from(around('"m": {"type": "\u00ff"}'), 'latin1'),
    where: /agent "m"/,
    reason: /not valid UTF-8/,
  },
  {
    name: 'a type that is a number',
    content: withFields({ type: 3 }),
    where: /agent "m", type$/,
    reason: /the number 3, not a string/,
  },
  {
    name: 'an activity that is a text',
    content: withFields({ active: 'yes' }),
    where: /agent "m", active$/,
    reason: /"yes", not true or false/,
  },
  {
    name: 'attributes that are a list',
    content: withFields({ attributes: [] }),
    where: /agent "m", attributes$/,
    reason: /a list, not an object/,
  },
  {
    name: 'a nested attribute',
    content: withFields({ attributes: { home: { city: 'x' } } }),
    where: /attributes\.home$/,
    reason: /an object, not a scalar/,
  },
  {
    name: 'a list as attribute',
    content: withFields({ attributes: { 'all names': [] } }),
    where: /attributes\["all names"\]$/,
    reason: /a list/,
  },
  {
    name: 'an integer that no double holds',
    content: around('"m": {"attributes": {"n": 12345678901234567891}}'),
    where: /attributes\.n$/,
    reason: /12345678901234567891, which no 64-bit float holds/,
  },
  {
    name: 'a magnitude that no double holds',
    content: around('"m": {"attributes": {"n": -1e400}}'),
    where: /attributes\.n$/,
    reason: /-1e400/,
  },
  {
    name: 'an attribute named __proto__',
    content: around('"m": {"attributes": {"__proto__": 1}}'),
    where: /agent "m"/,
    reason: /__proto__/,
  },
  {
    name: 'an attribute with NUL',
    content: withFields({ attributes: { x: '\u0000' } }),
    where: /agent "m"/,
    reason: /NUL/,
  },
  {
    name: 'an agent that is longer than the limit',
    content: withFields({ attributes: { x: 'y'.repeat(3000) } }),
    where: /agent "m"/,
    reason: /bytes long, more than 2048/,
  },
  {
    name: 'a second agent of an id',
    content: around('"m": {},\n"a": {"type": "second"},\n"m2": {}'),
    where: /line 4 .*agent "a"$/,
    reason: /already in line 2 \(byte 2\)/,
  },
  {
    name: 'something between the agents',
    content: around('"m": {},\nrubbish'),
    where: /line 4 \(byte \d+\)$/,
    reason: /an id in quotes was expected/,
  },
  { name: 'an id without an agent', content: around('"m"'), where: /line 3/, reason: /colon was expected/ },
  {
    name: 'an id with nothing behind its colon',
    content: around('"m":'),
    where: /line 3/,
    reason: /value was expected/,
  },
  {
    name: 'something behind the end',
    content: `${around('"m": {}')}\n\n{"q": {}}`,
    where: /line 7 \(byte \d+\)$/,
    reason: /9 bytes follow/,
  },
];

const TIES: readonly Planted[] = [
  {
    name: 'a friend that does not exist',
    content: withMemory({ friends: ['a', 'nobody'] }),
    where: /line 3 \(byte \d+\), agent "m", memory\.friends\[1\]$/,
    reason: /agent "nobody" does not exist/,
  },
  {
    name: 'a friend that is a number',
    content: withMemory({ friends: [7] }),
    where: /memory\.friends\[0\]$/,
    reason: /the number 7, not an id/,
  },
  {
    name: 'a friend that is null',
    content: withMemory({ friends: [null] }),
    where: /memory\.friends\[0\]$/,
    reason: /null/,
  },
  {
    name: 'an empty friend',
    content: withMemory({ friends: [''] }),
    where: /memory\.friends\[0\]$/,
    reason: /target is empty/,
  },
  {
    name: 'a friend twice',
    content: withMemory({ friends: ['a', 'z', 'a'] }),
    where: /memory\.friends\[2\]$/,
    reason: /already, in memory\.friends\[0\]/,
  },
  {
    name: 'the strength of one who is no friend',
    content: withMemory({ relationships: { z: 3 } }),
    where: /memory\.relationships\.z$/,
    reason: /"z" is no friend/,
  },
  {
    name: 'the type of one who is no friend',
    content: withMemory({ relation_types: { z: 'X' } }),
    where: /memory\.relation_types\.z$/,
    reason: /no friend/,
  },
  {
    name: 'a strength above 100',
    content: withMemory({ friends: ['z'], relationships: { z: 100.5 } }),
    where: /memory\.friends\[0\]$/,
    reason: /100\.5 is not between 0 and 100/,
  },
  {
    name: 'a strength below 0',
    content: withMemory({ friends: ['z'], relationships: { z: -1 } }),
    where: /friends\[0\]$/,
    reason: /not between/,
  },
  {
    name: 'a strength that is a text',
    content: withMemory({ friends: ['z'], relationships: { z: '5' } }),
    where: /friends\[0\]$/,
    reason: /strength that is the text "5"/,
  },
  {
    name: 'a type that is no plain name',
    content: withMemory({ friends: ['z'], relation_types: { z: 'IS A' } }),
    where: /friends\[0\]$/,
    reason: /not a name of letters/,
  },
  {
    name: 'a type that is a list',
    content: withMemory({ friends: ['z'], relation_types: { z: [] } }),
    where: /friends\[0\]$/,
    reason: /type that is a list/,
  },
  {
    name: 'friends that are an object',
    content: withMemory({ friends: { z: 1 } }),
    where: /memory\.friends$/,
    reason: /an object, not a list/,
  },
  {
    name: 'strengths that are a list',
    content: withMemory({ friends: ['z'], relationships: [1] }),
    where: /memory\.relationships$/,
    reason: /a list, not an object/,
  },
  {
    name: 'a memory that is a text',
    content: withFields({ memory: 'none' }),
    where: /agent "m", memory$/,
    reason: /the text "none", not an object/,
  },
  {
    name: 'the friends of what is no agent',
    content: around('"m": 7'),
    where: /agent "m"$/,
    reason: /friends are not read/,
  },
  {
    name: 'the friends of a second agent of an id',
    content: around('"m": {}, "a": {}'),
    where: /agent "a"$/,
    reason: /friends are not read/,
  },
];

async function assertRejectsJustThat(
  t: TestContext,
  kind: Kind,
  planted: Planted,
  expected: readonly string[],
) {
  const store = await opened(t, dictionaryFile(t, planted.content), { maxAgentBytes: 2048 });
  for (const limit of [1, 100]) {
    const { rows, rejected } = await scanned(store, kind, limit);
    assert.equal(rejected.length, 1, JSON.stringify(rejected));
    assert.match(rejected[0]?.where ?? '', planted.where);
    assert.match(rejected[0]?.reason ?? '', planted.reason);
    const keys = rows.map(({ key }) => key);
    for (const key of expected) assert.ok(keys.includes(key), key);
    assert.deepEqual(
      await store.source.get(kind, keys),
      rows.map(({ version, entity }) => ({ version, entity })),
    );
  }
}

describe('the dictionary names an agent that cannot be moved, and goes on:', () => {
  for (const planted of AGENTS)
    it(planted.name, (t) => assertRejectsJustThat(t, 'agent', planted, ['a', 'z']));
});

describe('the dictionary names a relationship that cannot be moved, and goes on:', () => {
  for (const planted of TIES)
    it(planted.name, (t) => assertRejectsJustThat(t, 'relationship', planted, ['["a","KNOWS","z"]']));
});

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
