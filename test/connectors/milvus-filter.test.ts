import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import { idBetween, idIn } from '../../connectors/milvus/filter.ts';
import { removal, upsert } from '../support/changes.ts';
import { HOSTILE_TEXTS, sampleEntity } from '../support/entities.ts';
import { asAdmin, dropCollections, openStore, testOptions } from './milvus-support.ts';

const V = 1_700_000_000_000_000;

/** What a lexer, an unescaping or a formatter in between might read otherwise than it was written. */
const TEXTS = [
  ...HOSTILE_TEXTS,
  ...Array.from({ length: 0x9f }, (_, code) => `control ${String.fromCodePoint(code + 1)}`),
  ...['\u2028', '\u2029', '\ufeff', '\u200d', '\ufffd', '\uffff', '\u{1f600}', '\u{10ffff}'],
  ...['\\', '\\\\', '\\"', '\\\\"', '\\n', '\\x41', '\\101', '\\u0041', '\\U0001f600', '%s', '{id}', '$meta'],
  ...[`"]`, `" or id != "`, `x"] or version >= 0 or id in ["y`, `'] or id like '%`, '" /* ', '" -- '],
  'é'.repeat(512),
];

describe('filters of Milvus', () => {
  const options = testOptions();
  const collection_name = options.collection;
  let store: Store;
  before(async () => {
    store = await openStore(options);
    await store.prepare();
    await store.sink.apply(TEXTS.map((name) => upsert('embedding', sampleEntity('embedding', { name }), V)));
  });
  after(async () => {
    await store.close();
    await dropCollections(options);
  });

  const idsOf = (filter: string) =>
    asAdmin(async (client) => {
      const consistency_level = 'Strong' as never;
      const { data } = await client.query({
        collection_name,
        filter,
        output_fields: ['id'],
        consistency_level,
      });
      return data.map((row) => row.id as string);
    });

  it('find each text, and nothing else', async () => {
    assert.deepEqual((await idsOf(idIn(TEXTS))).toSorted(), TEXTS.toSorted());
  });

  it('part the ids at each text', async () => {
    await asAdmin(async (client) => {
      const ids = async (filter: string) =>
        (await client.query({ collection_name, filter, output_fields: ['id'] })).data.map((row) => row.id);
      for (const text of HOSTILE_TEXTS) {
        const left = await ids(idBetween({ after: null, until: [text] }));
        const right = await ids(idBetween({ after: [text], until: null }));
        assert.equal(left.length + right.length, TEXTS.length);
        assert.ok(left.includes(text) && !right.includes(text));
      }
    });
  });

  it('delete what was named, and nothing else', async () => {
    const hostile = `zz"] or version >= 0 or id in ["x`;
    await store.sink.apply([upsert('embedding', sampleEntity('embedding', { name: hostile }), V)]);
    assert.equal(await store.source.count('embedding'), TEXTS.length + 1);
    await store.sink.apply([removal('embedding', hostile, V + 1)]);
    assert.equal(await store.source.count('embedding'), TEXTS.length);
  });
});
