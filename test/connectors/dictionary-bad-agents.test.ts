import { describe, it } from 'node:test';
import { around, assertRejectsJustThat, type Planted, withFields } from './dictionary-planted.ts';

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

describe('the dictionary names an agent that cannot be moved, and goes on:', () => {
  for (const planted of AGENTS)
    it(planted.name, (t) => assertRejectsJustThat(t, 'agent', planted, ['a', 'z']));
});
