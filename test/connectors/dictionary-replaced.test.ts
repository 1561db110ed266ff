import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { dictionaryFile, entities, legacyAgent, opened } from './dictionary-support.ts';

describe('a dictionary that is written while it is being read', () => {
  it('stays as it was while it is being walked, though it be replaced; what is asked next is of the new one', async (t) => {
    const file = dictionaryFile(
      t,
      Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`old ${n}`, legacyAgent(`old ${n}`)])),
    );
    const store = await opened(t, file);
    const keys: string[] = [];
    for await (const chunk of store.source.scan('agent', WHOLE_RANGE, { limit: 10 })) {
      if (keys.length === 0) {
        writeFileSync(`${file}.next`, JSON.stringify({ new: legacyAgent('new') }));
        renameSync(`${file}.next`, file);
      }
      keys.push(...chunk.rows.map(({ key }) => key));
    }
    assert.equal(keys.filter((key) => key.startsWith('old')).length, 200);
    assert.deepEqual(
      (await entities(store, 'agent')).map(({ id }) => id),
      ['new'],
    );
  });

  it('refuses to mix when somebody writes into the file instead of replacing it', async (t) => {
    const content = Object.fromEntries(
      Array.from({ length: 2000 }, (_, n) => [`agent ${n}`, legacyAgent(`agent ${n}`)]),
    );
    const file = dictionaryFile(t, content);
    const store = await opened(t, file);
    const walk = async () => {
      let chunks = 0;
      for await (const _chunk of store.source.scan('agent', WHOLE_RANGE, { limit: 10 }))
        if (chunks++ === 0) writeFileSync(file, JSON.stringify({ x: legacyAgent('x'), ...content }));
    };
    await assert.rejects(walk, { code: 'conflict', retryable: true });
    assert.equal((await entities(store, 'agent')).length, 2001);
  });
});
