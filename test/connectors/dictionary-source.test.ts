import assert from 'node:assert/strict';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { createGunzip, gzipSync } from 'node:zlib';
import type { EntityOf } from '../../schemas/change.ts';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { HOSTILE_SCALARS, HOSTILE_TEXTS } from '../support/entities.ts';
import { agent, dictionaryFile, entities, legacyAgent, opened, scanned, tie } from './dictionary-support.ts';

/** Names that every object inherits, or that a careless assignment loses. */
const INHERITED = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf'];

describe('the dictionary as a legacy application wrote it', () => {
  it('has no versions: every row of it is for the generation of the backfill to label', async (t) => {
    const file = dictionaryFile(t, { a: legacyAgent('a', { friends: ['b'] }), b: legacyAgent('b') });
    const store = await opened(t, file);
    for (const kind of ['agent', 'relationship'] as const) {
      const { rows } = await scanned(store, kind);
      assert.ok(rows.length > 0 && rows.every(({ version }) => version === null));
    }
    const [held, unknown] = await store.source.get('agent', ['a', 'c']);
    assert.deepEqual(held, { version: null, entity: agent('a', { name: 'a' }) });
    assert.equal(unknown, undefined);
  });

  it('takes for granted what the legacy application does', async (t) => {
    const store = await opened(
      t,
      dictionaryFile(t, {
        bare: {},
        nulls: { id: null, type: null, active: null, attributes: null, memory: null },
        odd: { attributes: { age: null, name: 'Ann' }, memory: { friends: null }, more: 1 },
        friend: { memory: { friends: ['bare', 'odd'], relationships: { bare: null, odd: 0 } } },
      }),
    );
    assert.deepEqual(await entities(store, 'agent'), [
      { id: 'bare', type: 'agent', active: true, attributes: {} },
      { id: 'friend', type: 'agent', active: true, attributes: {} },
      { id: 'nulls', type: 'agent', active: true, attributes: {} },
      { id: 'odd', type: 'agent', active: true, attributes: { name: 'Ann' } },
    ]);
    assert.deepEqual(await entities(store, 'relationship'), [
      tie('friend', 'bare', { strength: 50, type: 'KNOWS' }),
      tie('friend', 'odd', { strength: 0 }),
    ]);
  });

  it('reads ids, friends and attributes of any text, and numbers to the bit', async (t) => {
    const ids = [...HOSTILE_TEXTS, ...INHERITED, '\u2028', '\u2029', '\u0001', '\u000b', 'a\nb'];
    const members = ids.map((id) => {
      const memory = { friends: ids, relationships: { [id]: 1 }, relation_types: { [id]: 'LIKES' } };
      return `${JSON.stringify(id)}: ${JSON.stringify({ ...legacyAgent(id, memory), attributes: HOSTILE_SCALARS }).replace('"double1":0', '"double1":-0')}`;
    });
    const store = await opened(t, dictionaryFile(t, `{${members.join(',\n')}}`));
    const { rows, rejected } = await scanned(store, 'agent');
    assert.deepEqual(rejected, []);
    assert.deepEqual(new Set(rows.map(({ key }) => key)), new Set(ids));
    for (const { entity } of rows) assert.deepEqual(entity.attributes, HOSTILE_SCALARS);
    const ties = await scanned(store, 'relationship');
    assert.deepEqual(ties.rejected, []);
    assert.equal(ties.rows.length, ids.length ** 2);
    for (const { entity } of ties.rows) {
      const marked = entity.source === entity.target;
      assert.deepEqual([entity.type, entity.strength], marked ? ['LIKES', 1] : ['KNOWS', 50]);
    }
    assert.equal(await store.source.count('relationship'), ids.length ** 2);
  });

  it('reads a friend named as something that every object inherits without taking that for a strength', async (t) => {
    const friends = INHERITED;
    const members = [...INHERITED, 'a'].map(
      (id) => `${JSON.stringify(id)}: ${JSON.stringify(legacyAgent(id, { friends }))}`,
    );
    const store = await opened(t, dictionaryFile(t, `{${members.join()}}`));
    const { rows, rejected } = await scanned(store, 'relationship');
    assert.deepEqual(rejected, []);
    assert.ok(rows.every(({ entity }) => entity.strength === 50 && entity.type === 'KNOWS'));
  });

  it('reads the same from any spelling of the file: one line, indented, packed, with a byte order mark', async (t) => {
    const content = Object.fromEntries(
      ['c', 'a', 'b'].map((id) => [id, legacyAgent(id, { friends: ['a', 'b'] })]),
    );
    const spellings = [
      JSON.stringify(content),
      JSON.stringify(content, null, '\t').replaceAll('\n', '\r\n'),
      `\ufeff${JSON.stringify(content, null, 2)}\n\n`,
      gzipSync(JSON.stringify(content)),
      Buffer.concat([gzipSync('{'), gzipSync(JSON.stringify(content).slice(1))]),
    ];
    const read = [];
    for (const spelling of spellings) {
      const store = await opened(t, dictionaryFile(t, spelling));
      read.push(await Promise.all([scanned(store, 'agent'), scanned(store, 'relationship')]));
    }
    for (const one of read) assert.deepEqual(one, read[0]);
    assert.deepEqual(
      read[0]?.[0].rows.map(({ key }) => key),
      ['a', 'b', 'c'],
    );
  });

  it('gives a long agent in chunks of bounded size, and goes on in the midst of it', async (t) => {
    const friends = Array.from({ length: 1000 }, (_, n) => `friend ${n}`);
    const content = Object.fromEntries(friends.map((id) => [id, legacyAgent(id)]));
    const store = await opened(
      t,
      dictionaryFile(t, { ...content, hub: legacyAgent('hub', { friends: [...friends, 'nobody'] }) }),
    );
    const seen: string[] = [];
    let rejected = 0;
    for await (const chunk of store.source.scan('relationship', WHOLE_RANGE, { limit: 64 })) {
      assert.ok(chunk.rows.length <= 64);
      seen.push(...chunk.rows.map(({ key }) => key));
      rejected += chunk.rejected.length;
      const rest = await scanned(store, 'relationship', 500, { after: chunk.last, until: null });
      assert.equal(seen.length + rest.rows.length, 1000);
      assert.equal(rest.rejected.length, 0, 'what was reported is not reported again');
    }
    assert.deepEqual([seen.length, new Set(seen).size, rejected], [1000, 1000, 1]);
  });

  it('reports what is wrong once, in whatever ranges it is walked', async (t) => {
    const ids = Array.from({ length: 300 }, (_, n) => `agent ${n}`);
    const members = ids.map(
      (id, n) =>
        `${JSON.stringify(id)}: ${n % 10 === 0 ? '1' : JSON.stringify(legacyAgent(id, { friends: ['nobody'] }))}`,
    );
    const store = await opened(t, dictionaryFile(t, `{${members.join(',\n')}, "": 1, rubbish`));
    for (const [kind, expected] of [
      ['agent', 30 + 3],
      ['relationship', 300 + 3],
    ] as const) {
      const ranges = await store.source.ranges(kind, 7);
      assert.equal(ranges.length, 7);
      const parts = await Promise.all(ranges.map((range) => scanned(store, kind, 10, range)));
      assert.equal(parts.flatMap(({ rejected }) => rejected).length, expected);
    }
  });

  it('names the first of very many faults of one agent, counts the others, and goes on', async (t) => {
    const FAULTS = 200_000;
    const bad = Array.from({ length: FAULTS }, (_, n) => (n % 2 === 0 ? n : `nobody ${n}`));
    const content = {
      a: legacyAgent('a', { friends: ['z'] }),
      hub: legacyAgent('hub', { friends: ['a', ...bad] }),
      z: legacyAgent('z', { friends: ['a'] }),
    };
    const store = await opened(t, dictionaryFile(t, content));
    const { rows, rejected } = await scanned(store, 'relationship');
    assert.deepEqual(
      rows.map(({ entity }) => entity.source),
      ['a', 'hub', 'z'],
    );
    assert.equal(rejected.length, 1001);
    assert.match(rejected[0]?.where ?? '', /agent "hub", memory\.friends\[2\]$/);
    assert.match(rejected.at(-1)?.where ?? '', /agent "hub"$/);
    assert.equal(rejected.at(-1)?.reason, 'and 199000 more faults in its relationships');
  });

  it('stops when it is told to', async (t) => {
    const store = await opened(t, dictionaryFile(t, { a: legacyAgent('a') }));
    const signal = AbortSignal.abort(new Error('enough'));
    const walk = async () => {
      for await (const _ of store.source.scan('agent', WHOLE_RANGE, { limit: 10, signal }));
    };
    await assert.rejects(walk, /enough/);
  });
});

const SOCIETY = new URL('../../../shared/data/society/dictionary.json.gz', import.meta.url);

describe('the real society', { skip: !existsSync(SOCIETY) }, () => {
  it('is read as plain JSON reads it', async (t) => {
    type Legacy = {
      memory: {
        friends: string[];
        relationships: Record<string, number>;
        relation_types: Record<string, string>;
      };
    };
    const whole = JSON.parse(await text(createReadStream(SOCIETY).pipe(createGunzip()))) as Record<
      string,
      EntityOf['agent'] & Legacy
    >;
    const store = await opened(t, dictionaryFile(t, readFileSync(SOCIETY)));
    const agents = await scanned(store, 'agent', 1000);
    assert.deepEqual(
      agents.rows.map(({ entity }) => entity),
      Object.values(whole).map(({ id, type, active, attributes }) => ({ id, type, active, attributes })),
    );
    const ties = await scanned(store, 'relationship', 1000);
    assert.deepEqual([agents.rejected.length, ties.rejected.length], [0, 0]);
    assert.equal(ties.rows.length, 82_828);
    const expected = new Map(
      Object.entries(whole).flatMap(([source, { memory }]) =>
        memory.friends.map((target) => {
          const [type, strength] = [
            memory.relation_types[target] ?? 'KNOWS',
            memory.relationships[target] ?? 50,
          ];
          return [JSON.stringify([source, type, target]), tie(source, target, { type, strength })];
        }),
      ),
    );
    for (const { key, entity } of ties.rows) assert.deepEqual(entity, expected.get(key));
  });
});
