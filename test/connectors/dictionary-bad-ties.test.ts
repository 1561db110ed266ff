import { describe, it } from 'node:test';
import { around, assertRejectsJustThat, type Planted, withFields, withMemory } from './dictionary-planted.ts';

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

describe('the dictionary names a relationship that cannot be moved, and goes on:', () => {
  for (const planted of TIES)
    it(planted.name, (t) => assertRejectsJustThat(t, 'relationship', planted, ['["a","KNOWS","z"]']));
});
