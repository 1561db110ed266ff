import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { upsert } from '../support/changes.ts';
import { CHANGES, key, LEGACY, stateIn, stateOf, V } from './dictionary-sample.ts';
import { agent, dictionaryFile, legacyAgent, openDictionary, tie } from './dictionary-support.ts';

describe('compaction', () => {
  it('changes nothing that can be seen through the source', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    const store = await openDictionary(file);
    await store.sink.apply(CHANGES);
    const before = await stateOf(store);
    assert.deepEqual(
      before.ties.map((row) => row.key),
      [
        key('b', 'KNOWS', 'z'),
        key('ghost', 'KNOWS', 'z'),
        key('new', 'ALLY', 'z'),
        key('new', 'KNOWS', 'z'),
        key('z', 'ALLY', 'a'),
        key('z', 'LIKES', 'a'),
      ],
    );
    assert.deepEqual(before.rejected, ['agent "b" does not exist']);
    await store.close();
    assert.deepEqual(await stateIn(file), before);
    const again = await openDictionary(file);
    await again.sink.apply([upsert('agent', agent('b'), V + 1)]);
    await again.close();
    const revived = await stateIn(file);
    assert.ok(
      revived.ties.some((row) => row.key === key('b', 'KNOWS', 'z')),
      'what b left behind is its own again',
    );
  });

  it('leaves a legacy reader what it knows: its fields, its order, its unknown fields; and details for who looks', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    const store = await openDictionary(file);
    await store.sink.apply(CHANGES);
    await store.close();
    const written = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    assert.deepEqual(Object.keys(written), ['z', 'a', 'new']);
    assert.deepEqual(written, {
      z: {
        ...LEGACY.z,
        memory: {
          friends: ['a'],
          relationships: { a: 9 },
          relation_types: { a: 'LIKES' },
          relationship_details: { a: { LIKES: { since: 1 }, ALLY: { strength: 50 } } },
          mood: 'x',
        },
      },
      a: { ...LEGACY.a, attributes: { name: 'changed' } },
      new: {
        ...agent('new', { n: -0 }),
        memory: {
          friends: ['z'],
          relationships: { z: 1.5 },
          relation_types: { z: 'KNOWS' },
          relationship_details: {
            z: { ALLY: { strength: 50, since: 5, properties: { k: 'v' } } },
          },
        },
      },
    });
  });

  it('keeps beside the file only what the file cannot say', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    const store = await openDictionary(file);
    await store.sink.apply(CHANGES);
    await store.close();
    const lines = readFileSync(`${file}.versions`, 'utf8').trimEnd().split('\n').slice(1);
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      [
        ['agent', 'a', V, 0],
        ['agent', 'b', V, 1],
        ['agent', 'never', V, 1],
        ['agent', 'new', V, 0],
        ['relationship', 'b', 'KNOWS', 'z', null, { strength: 50, since: null, properties: {} }],
        ['relationship', 'ghost', 'KNOWS', 'z', V, { strength: -0, since: null, properties: {} }],
        ['relationship', 'new', 'ALLY', 'z', V, 0],
        ['relationship', 'new', 'KNOWS', 'z', V, 0],
        ['relationship', 'z', 'ALLY', 'a', V, 0],
        ['relationship', 'z', 'KNOWS', 'b', V, 1],
        ['relationship', 'z', 'LIKES', 'a', V, 0],
      ],
    );
    const again = await openDictionary(file);
    await again.sink.apply([upsert('agent', agent('b'), V + 1), upsert('agent', agent('ghost'), V + 1)]);
    await again.close();
    assert.doesNotMatch(
      readFileSync(`${file}.versions`, 'utf8'),
      /strength/,
      'ties whose agents came live with them',
    );
  });

  it('leaves every agent that no change touched as it is, byte for byte', async (t) => {
    const odd =
      '{ "id" :"odd",  "attributes": {"n": 12345678901234567891, "e": 1e400}, "memory": {"friends": [7, "q", "q"]} }';
    const file = dictionaryFile(t, `{"odd": ${odd}, "bad": {nonsense}, "plain": {}}`);
    const store = await openDictionary(file);
    await store.sink.apply([upsert('agent', agent('plain'), V)]);
    await store.close();
    const text = readFileSync(file, 'utf8');
    assert.ok(text.includes(odd) && text.includes('{nonsense}'), text);
  });

  it('keeps what the legacy application wrote beside what a change says, digits and all', async (t) => {
    const file = dictionaryFile(
      t,
      '{"a": {"big": 12345678901234567891, "memory": {"friends": [7, "q"], "note": 1e400}}, "b": {}}',
    );
    const store = await openDictionary(file);
    await store.sink.apply([upsert('relationship', tie('a', 'b'), V), upsert('agent', agent('a'), V)]);
    await store.close();
    const text = readFileSync(file, 'utf8');
    for (const kept of ['"big":12345678901234567891', '"friends":[7,"q","b"]', '"note":1e400'])
      assert.ok(text.includes(kept), text);
  });

  it('keeps the rights of the file, and writes through a symbolic link', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    chmodSync(file, 0o640);
    const link = `${file}.link`;
    symlinkSync(file, link);
    const store = await openDictionary(link);
    await store.sink.apply(CHANGES);
    await store.close();
    assert.equal(statSync(file).mode & 0o777, 0o640);
    assert.ok(readFileSync(link, 'utf8').includes('"new"'));
    assert.ok(readFileSync(file, 'utf8').includes('"new"'));
  });

  it('does not write anew what is damaged, and says where', async (t) => {
    for (const content of ['{"a": {}, "b": {"id"', '{"a": {}} more', '{"a": {}, rubbish, "b": {}}']) {
      const file = dictionaryFile(t, content);
      const store = await openDictionary(file);
      await assert.rejects(store.sink.apply(CHANGES), {
        code: 'mismatch',
        message: /is damaged in line 1 \(byte \d+\)/,
      });
      await store.close();
      assert.equal(readFileSync(file, 'utf8'), content);
    }
  });

  it('does not overwrite what somebody else has written meanwhile', async (t) => {
    const file = dictionaryFile(t, LEGACY);
    const store = await openDictionary(file, { compactAfterEntries: 1 });
    await store.sink.apply(CHANGES);
    writeFileSync(file, JSON.stringify({ foreign: legacyAgent('foreign') }));
    await assert.rejects(store.sink.apply(CHANGES), {
      code: 'conflict',
      message: /Somebody else has written/,
    });
    await store.close();
    assert.deepEqual(Object.keys(JSON.parse(readFileSync(file, 'utf8')) as object), ['foreign']);
  });
});
