import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import {
  type LegacyAgent,
  openObservedDictionary,
} from '../../connectors/dictionary/observed/observed-dictionary.ts';
import {
  agentRemoval,
  agentWrite,
  CAPTURE,
  observed,
  outboxOf,
  said,
  tieWrite,
} from './dictionary-capture-support.ts';
import { agent, dictionaryFile, legacyAgent, openDictionary, tie } from './dictionary-support.ts';

const SOCIETY = {
  a: { ...legacyAgent('a', { friends: ['b', 'c'], relationships: { b: 7 } }), mood: ['calm', { since: 1 }] },
  b: legacyAgent('b', { friends: ['c'], relation_types: { c: 'TRUSTS' }, diary: 'kept' }),
  c: { ...legacyAgent('c'), nose: 'long' },
};

/** What the legacy application reads from the file. */
const read = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));

describe('an observed dictionary', () => {
  it('reads as a Map of the file does', async (t) => {
    const dictionary = await observed(t, dictionaryFile(t, SOCIETY));
    const map = new Map(Object.entries(SOCIETY));
    assert.equal(dictionary.size, 3);
    assert.deepEqual([...dictionary], [...map]);
    assert.deepEqual([...dictionary.keys()], [...map.keys()]);
    assert.deepEqual([...dictionary.values()], [...map.values()]);
    assert.deepEqual([...dictionary.entries()], [...map.entries()]);
    assert.deepEqual(dictionary.get('b'), SOCIETY.b);
    assert.equal(dictionary.get('d'), undefined);
    assert.deepEqual([dictionary.has('a'), dictionary.has('d')], [true, false]);
    const seen: unknown[] = [];
    dictionary.forEach((value, id, whole) => {
      seen.push([id, value, whole === dictionary]);
    });
    assert.deepEqual(
      seen,
      [...map].map(([id, value]) => [id, value, true]),
    );
  });

  it('hands out what cannot be changed behind its back', async (t) => {
    const dictionary = await observed(t, dictionaryFile(t, SOCIETY));
    const given = {
      type: 'citizen',
      attributes: { name: 'd' },
      memory: { friends: ['a'] },
      more: { deep: [1] },
    };
    await dictionary.set('d', given);
    for (const id of ['a', 'd']) {
      const held = dictionary.get(id) as unknown as typeof given;
      assert.throws(() => Object.assign(held, { type: 'other' }), TypeError);
      assert.throws(() => Object.assign(held.attributes, { name: 'other' }), TypeError);
      assert.throws(() => held.memory.friends.push('x'), TypeError);
    }
    given.memory.friends.push('b');
    given.more.deep[0] = 2;
    const held = dictionary.get('d');
    assert.deepEqual([held?.memory?.friends, held?.more], [['a'], { deep: [1] }]);
  });

  it('captures an agent before its relationships when it comes, and after them when it goes', async (t) => {
    const dictionary = await observed(t, dictionaryFile(t, SOCIETY));
    await dictionary.set('d', legacyAgent('d', { friends: ['a'], relationships: { a: 99 } }));
    await dictionary.set('c', { ...SOCIETY.c, memory: { friends: ['d'] } });
    assert.equal(await dictionary.delete('d'), true);
    assert.equal(await dictionary.delete('d'), false);
    const entries = await outboxOf(dictionary.capture);
    assert.deepEqual(entries.map(said), [
      'c d',
      'c ["d","KNOWS","a"]',
      'u c',
      'c ["c","KNOWS","d"]',
      'd ["d","KNOWS","a"]',
      'd ["c","KNOWS","d"]',
      'd d',
    ]);
    assert.deepEqual(entries.at(4)?.change.before, tie('d', 'a', { strength: 99 }));
    assert.deepEqual(entries.at(6)?.change.before, agent('d', { name: 'd' }));
    assert.deepEqual(dictionary.get('c')?.memory?.friends, []);
    const versions = entries.map(({ change }) => change.version);
    assert.deepEqual(versions, [...versions].sort());
  });

  it('captures what differs of the relationships, and the agent in any case', async (t) => {
    const dictionary = await observed(t, dictionaryFile(t, SOCIETY));
    await dictionary.set('a', SOCIETY.a);
    await dictionary.set('a', {
      ...SOCIETY.a,
      memory: { friends: ['b', 'a'], relationships: { b: 7 }, relation_types: { b: 'LIKES' } },
    });
    await dictionary.update('b', (b) => ({ ...b, active: false }));
    assert.deepEqual((await outboxOf(dictionary.capture)).map(said), [
      'u a',
      'u a',
      'd ["a","KNOWS","b"]',
      'd ["a","KNOWS","c"]',
      'c ["a","LIKES","b"]',
      'c ["a","KNOWS","a"]',
      'u b',
    ]);
  });

  it('keeps every field that is the application’s own, when it is opened again and when it is folded', async (t) => {
    const file = dictionaryFile(t, SOCIETY);
    const strange = {
      ...legacyAgent('s', { friends: ['a'], dreams: { '': [null, -0, 1e300] } }),
      toString: 1,
      constructor: 'no',
      extra: { nested: [{ x: 'é\u2028' }], none: null },
    };
    const expected = new Map<string, unknown>();
    const first = await observed(t, file, { compactOnClose: false });
    await first.set('s', strange);
    await first.update('b', (b) => ({ ...b, attributes: { name: 'B' }, hat: 'red' }));
    await first.update('b', (b) => ({ ...b, type: 'mayor' }));
    await first.delete('c');
    await first.set('c', { type: 'reborn' });
    for (const [id, value] of first) expected.set(id, value);
    await first.close();
    const second = await observed(t, file, { compactOnClose: true });
    assert.deepEqual(Object.fromEntries(second), Object.fromEntries(expected));
    const dreams = second.get('s')?.memory?.dreams as { readonly ''?: readonly number[] } | undefined;
    assert.ok(Object.is(dreams?.['']?.[1], -0));
    await second.close();
    assert.deepEqual(read(file), { ...Object.fromEntries(expected) });
    const third = await observed(t, file);
    assert.deepEqual(Object.fromEntries(third), Object.fromEntries(expected));
    assert.deepEqual(third.get('c'), {
      memory: { friends: [], relationships: {}, relation_types: {} },
      id: 'c',
      type: 'reborn',
      active: true,
      attributes: {},
    });
  });

  it('refuses what is no agent, names the place, and writes nothing', async (t) => {
    const file = dictionaryFile(t, SOCIETY);
    const dictionary = await observed(t, file);
    const inner: { self?: unknown } = {};
    const cyclic = { inner };
    inner.self = cyclic;
    const refused: readonly [unknown, RegExp][] = [
      [5, /it is no object/],
      [{ id: 'other' }, /"x", id: it is not the id/],
      [{ type: 5 }, /type: it is the number 5/],
      [{ active: 'yes' }, /active/],
      [{ attributes: { deep: {} } }, /attributes\.deep: it is an object/],
      [{ attributes: { age: Number.NaN } }, /attributes\.age: it is NaN/],
      [{ memory: { friends: ['a', 'a'] } }, /memory\.friends\[1\]: "a" is a friend already/],
      [{ memory: { friends: ['a'], relationships: { a: 101 } } }, /strength 101/],
      [{ memory: { friends: [], relationships: { a: 1 } } }, /"a" is no friend/],
      [{ memory: { friends: ['a'], relation_types: { a: 'no name' } } }, /type/],
      [{ memory: { friends: ['a', 5] } }, /memory\.friends\[1\]/],
      [{ born: new Date(0) }, /born: it is an object of the class Date/],
      [{ more: { size: 5n } }, /more\.size: it is the bigint/],
      [{ more: () => {} }, /more: it is the function/],
      [
        { memory: { friends: [cyclic] } },
        /memory\.friends\[0\]\.inner\.self: it is something that it stands in/,
      ],
      [{ attributes: cyclic }, /attributes\.inner\.self: it is something that it stands in/],
      [
        { more: nested(5_000, (inner) => ({ inner })) },
        /more\.inner\.inner.*…: it is nested deeper than 500/,
      ],
      [nested(50_000, (inner) => ({ inner })), /nested deeper/],
      [{ more: nested(50_000, (inner) => [inner]) }, /more\[0\]\[0\].*: it is nested deeper/],
      [{ attributes: { long: 'x'.repeat(CAPTURE.maxChangeBytes) } }, /\d{6} bytes, more than the 100000/],
    ];
    const journal = readFileSync(`${file}.journal`);
    for (const [value, says] of refused) {
      await assert.rejects(dictionary.set('x', value as LegacyAgent), {
        code: 'change-rejected',
        message: says,
      });
      const batch = dictionary.write([
        ['y', legacyAgent('y')],
        ['a', null],
        ['x', value as LegacyAgent],
      ]);
      await assert.rejects(batch, { code: 'change-rejected', message: says });
    }
    await assert.rejects(
      dictionary.update('a', () => {
        throw new RangeError('mine');
      }),
      RangeError,
    );
    assert.deepEqual(Object.fromEntries(dictionary), SOCIETY);
    assert.deepEqual(readFileSync(`${file}.journal`), journal);
  });

  it('takes what is nested as deep as it may be, and what is there twice but not in itself', async (t) => {
    const file = dictionaryFile(t, SOCIETY);
    const first = await observed(t, file);
    const shared = { place: 'hall' };
    // The agent is the first level.
    const deep = { more: nested(499, (inner) => ({ inner })), here: shared, there: [shared, shared] };
    await first.set('deep', deep as LegacyAgent);
    await first.close();
    const second = await observed(t, file);
    const { more, here, there } = second.get('deep') as unknown as typeof deep;
    assert.deepEqual({ more, here, there }, deep);
    await second.update('deep', (present) => ({ ...present, type: 'changed' }));
    await assert.rejects(second.set(Object.create(null) as string, {}), { code: 'change-rejected' });
  });

  it('is opened where an agent in the file is nested too deep, which counts as unreadable, and goes on beside it', async (t) => {
    const file = dictionaryFile(t, {});
    const lists = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
    const flat = `[${'{"x":"[[{{\\""},'.repeat(600)}0]`;
    const agents = [
      `"deep":{"more":${lists(100_000)}}`,
      `"over":{"more":${lists(500)}}`,
      `"most":{"more":${lists(499)}}`,
      `"wide":{"more":${flat}}`,
    ];
    writeFileSync(file, `{${agents.join(',')}}`);
    const dictionary = await observed(t, file);
    assert.deepEqual([...dictionary.keys()].sort(), ['most', 'wide']);
    for (const id of ['most', 'wide', 'deep']) {
      await dictionary.set(id, { ...dictionary.get(id), type: 'changed' });
      assert.equal(dictionary.get(id)?.type, 'changed');
    }
  });

  it('lets an agent be changed whose memory was never right, as long as that stays as it is', async (t) => {
    const wrong = legacyAgent('w', { friends: ['a', 'a'] });
    const dictionary = await observed(t, dictionaryFile(t, { ...SOCIETY, w: wrong }));
    await dictionary.update('w', (w) => ({ ...w, type: 'changed' }));
    assert.deepEqual(dictionary.get('w'), { ...wrong, type: 'changed' });
    await assert.rejects(dictionary.set('w', { memory: { friends: ['b', 'b'] } }), {
      code: 'change-rejected',
    });
  });

  it('writes a batch as one, each part of it seeing those before', async (t) => {
    const dictionary = await observed(t, dictionaryFile(t, SOCIETY));
    await dictionary.write([
      ['e', legacyAgent('e', { friends: ['a'] })],
      ['a', null],
      ['e', { ...legacyAgent('e', { friends: ['b'] }) }],
    ]);
    assert.deepEqual((await outboxOf(dictionary.capture)).map(said), [
      'c e',
      'c ["e","KNOWS","a"]',
      'd ["a","KNOWS","b"]',
      'd ["a","KNOWS","c"]',
      'd ["e","KNOWS","a"]',
      'd a',
      'u e',
      'c ["e","KNOWS","b"]',
    ]);
    assert.deepEqual(dictionary.get('e')?.memory?.friends, ['b']);
  });

  it('is cleared', async (t) => {
    const file = dictionaryFile(t, SOCIETY);
    const dictionary = await observed(t, file);
    await dictionary.clear();
    assert.deepEqual([dictionary.size, [...dictionary]], [0, []]);
    assert.equal((await outboxOf(dictionary.capture)).length, 6);
    await dictionary.close();
    assert.deepEqual(read(file), {});
  });

  it('and the domain API see each other’s writes at once', async (t) => {
    const dictionary = await observed(t, dictionaryFile(t, SOCIETY));
    await dictionary.capture.write([
      agentWrite(agent('n', { name: 'n' })),
      tieWrite(tie('n', 'a', { type: 'LIKES', strength: 3, since: 5 })),
      tieWrite(tie('ghost', 'n')),
      agentRemoval('b'),
    ]);
    assert.deepEqual(dictionary.get('n')?.memory, {
      friends: ['a'],
      relationships: { a: 3 },
      relation_types: { a: 'LIKES' },
      relationship_details: { a: { LIKES: { since: 5 } } },
    });
    assert.deepEqual(dictionary.get('a')?.memory?.friends, ['c']);
    assert.equal(dictionary.has('ghost'), false);
    await dictionary.capture.write([agentWrite(agent('ghost'))]);
    assert.deepEqual(dictionary.get('ghost')?.memory?.friends, ['n']);
    await dictionary.delete('n');
    assert.deepEqual((await outboxOf(dictionary.capture)).map(said).slice(-3), [
      'd ["n","LIKES","a"]',
      'd ["ghost","KNOWS","n"]',
      'd n',
    ]);
  });

  it('tells of the ties that had waited for an agent when it comes', async (t) => {
    const waiting = { a: legacyAgent('a', { friends: ['late', 'c'] }), c: legacyAgent('c') };
    const dictionary = await observed(t, dictionaryFile(t, waiting));
    await dictionary.set('a', waiting.a);
    await dictionary.set('late', legacyAgent('late'));
    await dictionary.set('late', legacyAgent('late'));
    assert.deepEqual((await outboxOf(dictionary.capture)).map(said), [
      'u a',
      'c late',
      'c ["a","KNOWS","late"]',
      'u late',
    ]);
  });

  it('finds the relationships that end at an agent after others were removed that were not there', async (t) => {
    const dictionary = await observed(t, dictionaryFile(t, SOCIETY));
    const missing = { kind: 'relationship', key: '["b","LIKES","c"]', entity: null } as const;
    await dictionary.capture.write([missing, missing, missing]);
    await dictionary.delete('c');
    assert.deepEqual((await outboxOf(dictionary.capture)).map(said).slice(3), [
      'd ["a","KNOWS","c"]',
      'd ["b","TRUSTS","c"]',
      'd c',
    ]);
  });

  it('has one owner', async (t) => {
    const file = dictionaryFile(t, SOCIETY);
    const dictionary = await observed(t, file);
    await assert.rejects(openObservedDictionary({ file }, { capture: CAPTURE }), { code: 'conflict' });
    await dictionary.close();
    await (await openObservedDictionary({ file }, { capture: CAPTURE })).close();
  });

  it('shows a reader of the files what it has', async (t) => {
    const file = dictionaryFile(t, SOCIETY);
    const dictionary = await observed(t, file);
    const reader = await openDictionary(file);
    t.after(() => reader.close());
    await dictionary.set('d', { type: 'new', memory: { friends: ['a'] } });
    const [held] = await reader.source.get('agent', ['d']);
    assert.deepEqual(held?.entity, { id: 'd', type: 'new', active: true, attributes: {} });
    const [bond] = await reader.source.get('relationship', ['["d","KNOWS","a"]']);
    assert.deepEqual(bond?.entity, tie('d', 'a'));
  });
});

/** So many levels, the outermost last. */
function nested(levels: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 'kernel';
  for (let level = 0; level < levels; level++) value = wrap(value);
  return value;
}
