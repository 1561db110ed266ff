import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MilvusConnection } from '../../connectors/milvus/connection.ts';
import { VersionMemory } from '../../connectors/milvus/memory.ts';
import { milvusOptions } from '../../connectors/milvus/options.ts';
import { pages } from '../../connectors/milvus/pages.ts';
import { embeddingOf, type MilvusRow } from '../../connectors/milvus/rows.ts';
import { Collections, FoundCollections } from '../../connectors/milvus/schema.ts';
import { openSink } from '../../connectors/milvus/sink.ts';
import { openSource } from '../../connectors/milvus/source.ts';
import { markText } from '../../connectors/milvus/space.ts';
import { filterParts, type HeldVersions, type VersionReader } from '../../connectors/milvus/versions.ts';
import type { EmbeddingWriter } from '../../connectors/milvus/writer.ts';
import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { spaceOf } from '../../schemas/embedding-space.ts';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { removal, upsert } from '../support/changes.ts';
import { float32Bytes, sampleEntity } from '../support/entities.ts';
import { embeddingRow } from './milvus-support.ts';

const V = 1_700_000_000_000_000;
const sample = (name: string) => sampleEntity('embedding', { name });

/** What a server cannot be made to do when a test wants it to. */
function sinkOver(writer: Partial<EmbeddingWriter>, held: ReadonlyMap<string, HeldVersions> = new Map()) {
  const space = spaceOf(sample('any'));
  return openSink({
    collections: { hasTombstones: async () => true, space: async () => space } as unknown as Collections,
    versions: { held: async () => held } as unknown as VersionReader,
    memory: new VersionMemory({ timestamp: async () => undefined, clock: systemClock }),
    writer: { upsert: async () => {}, bury: async () => {}, remove: async () => {}, ...writer },
    batchRows: 50,
    inFlight: 2,
  });
}

describe('the Milvus sink', () => {
  const row: ReadonlyMap<string, HeldVersions> = new Map([['dying', { row: V, tombstone: undefined }]]);

  it('deletes a row only when its tombstone stands', async () => {
    const done: string[] = [];
    const sink = sinkOver(
      {
        bury: async () => {
          await new Promise((resolve) => setTimeout(resolve, 20));
          done.push('tombstone');
        },
        remove: async (ids) => {
          done.push(...ids);
        },
      },
      row,
    );
    await sink.apply([removal('embedding', 'dying', V + 1)]);
    assert.deepEqual(done, ['tombstone', 'dying']);
  });

  it('deletes nothing when the tombstone could not be written', async () => {
    let removed = 0;
    const sink = sinkOver(
      {
        bury: async () => {
          throw new ChangeoverError('timeout', 'planted');
        },
        remove: async (ids) => {
          removed += ids.length;
        },
      },
      row,
    );
    await assert.rejects(sink.apply([removal('embedding', 'dying', V + 1)]), { code: 'timeout' });
    assert.equal(removed, 0);
  });

  it('finds by halving the rows that only the server refuses', async () => {
    const kept: string[] = [];
    const sink = sinkOver({
      upsert: async (embeddings) => {
        const names = embeddings.map(({ embedding }) => embedding.id);
        if (names.some((name) => name.endsWith('3'))) throw new ChangeoverError('change-rejected', 'planted');
        kept.push(...names);
      },
    });
    const changes = Array.from({ length: 120 }, (_, index) => upsert('embedding', sample(`row ${index}`), V));
    const outcomes = await sink.apply(changes);
    const refused = changes.filter((_, index) => outcomes[index]?.status === 'rejected');
    assert.equal(refused.length, 12);
    assert.ok(refused.every((change) => change.key.endsWith('3')));
    assert.equal(new Set(kept).size, 108);
    assert.equal(kept.length, 108);
  });

  it('settles one batch before it looks at what the next one meets', async () => {
    const log: string[] = [];
    const sink = sinkOver({
      upsert: async ([first]) => {
        log.push(`begin ${first?.embedding.id}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
        log.push(`end ${first?.embedding.id}`);
      },
    });
    await Promise.all(['a', 'b'].map((name) => sink.apply([upsert('embedding', sample(name), V)])));
    assert.deepEqual(log, ['begin a', 'end a', 'begin b', 'end b']);
  });

  it('lets go of every write before it says that one of them failed', async () => {
    let writing = false;
    const sink = sinkOver(
      {
        bury: async () => {
          throw new ChangeoverError('timeout', 'planted');
        },
        upsert: async () => {
          writing = true;
          await new Promise((resolve) => setTimeout(resolve, 30));
          writing = false;
        },
      },
      row,
    );
    const batch = [upsert('embedding', sample('slow'), V), removal('embedding', 'dying', V + 1)];
    await assert.rejects(sink.apply(batch), { code: 'timeout' });
    assert.equal(writing, false);
  });

  it('goes on with the next batch after one that failed', async () => {
    let failures = 1;
    const sink = sinkOver({
      upsert: async () => {
        if (failures-- > 0) throw new ChangeoverError('timeout', 'planted');
      },
    });
    const change = [upsert('embedding', sample('again'), V)];
    await assert.rejects(sink.apply(change), { code: 'timeout', retryable: true });
    assert.deepEqual(await sink.apply(change), [{ status: 'applied' }]);
  });
});

describe('pages of Milvus', () => {
  /** Answers each query with the next page. */
  function serving(...answers: readonly (readonly string[] | Error)[]) {
    const limits: (number | undefined)[] = [];
    const connection = {
      query: async ({ limit }: { readonly limit?: number }): Promise<readonly MilvusRow[]> => {
        const answer = answers[limits.push(limit) - 1] ?? [];
        if (answer instanceof Error) throw answer;
        return answer.map((id) => ({ id }));
      },
    } as unknown as MilvusConnection;
    return { connection, limits };
  }
  const query = { collection: 'c', range: WHOLE_RANGE, fields: ['id'], limit: 4 };

  it('go on after a page that is shorter than its limit: only an empty one is the last', async () => {
    const { connection } = serving(['a', 'b', 'c', 'd'], ['e'], ['f', 'g'], []);
    const found = await Array.fromAsync(pages(connection, query));
    assert.deepEqual(
      found.flat().map((row) => row.id),
      ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
    );
  });

  it('are refused when they are out of order, or begin before the last one ended', async () => {
    const expected = { code: 'unsupported', message: /out of order/ };
    await assert.rejects(Array.fromAsync(pages(serving(['a', 'c', 'b']).connection, query)), expected);
    await assert.rejects(Array.fromAsync(pages(serving(['a', 'c'], ['b']).connection, query)), expected);
    await assert.rejects(Array.fromAsync(pages(serving(['a', 'a']).connection, query)), expected);
  });

  it('are asked for with half as many rows when one message cannot hold them', async () => {
    const large = new ChangeoverError('change-rejected', 'message larger than max');
    const { connection, limits } = serving(large, large, ['a'], []);
    const found = await Array.fromAsync(pages(connection, query));
    assert.equal(found.flat().length, 1);
    assert.deepEqual(limits, [4, 2, 1, 1]);
    const hopeless = serving(large, large, large);
    await assert.rejects(Array.fromAsync(pages(hopeless.connection, query)), { code: 'change-rejected' });
  });
});

describe('looking up keys in Milvus', () => {
  it('asks for half as many at a time when one message cannot hold them, and for every one of them', async () => {
    const space = spaceOf(sample('any'));
    const asked: number[] = [];
    const connection = {
      query: async ({ filter }: { readonly filter: string }): Promise<readonly MilvusRow[]> => {
        const ids = JSON.parse(filter.slice('id in '.length)) as readonly string[];
        asked.push(ids.length);
        if (ids.length > 3) throw new ChangeoverError('change-rejected', 'exceed the maxOutputSize Limit');
        return ids.map((id) => embeddingRow({ version: V, embedding: { ...sample('any'), id } }));
      },
    } as unknown as MilvusConnection;
    const source = openSource({
      connection,
      collections: { space: async () => space, embeddings: 'c' } as unknown as FoundCollections,
      versions: { tombstones: async () => new Map() } as unknown as VersionReader,
    });
    const ids = Array.from({ length: 10 }, (_, n) => `id ${n}`);
    const held = await source.get('embedding', ids);
    assert.deepEqual(
      held.map((one) => one?.entity?.id),
      ids,
    );
    assert.deepEqual(asked, [10, 5, 3, 3, 3, 1]);
  });
});

describe('a collection of Milvus', () => {
  /** A server in which making a collection takes steps, each of which may fail; what was done stays. */
  function servingSteps(found: readonly string[] = []) {
    const space = spaceOf(sample('any'));
    const owner = { name: 'target.milvus', role: 'target' } as const;
    const done = new Set(found);
    const state = { fails: '', loads: 0 };
    const step = async (name: string) => {
      if (state.fails === name) throw new ChangeoverError('timeout', `planted: ${name}`);
      done.add(name);
    };
    const of = (collection: string) => (collection === 'c' ? '' : 'tombstones ');
    const connection = {
      where: 'here',
      description: async (collection: string) =>
        done.has(`${of(collection)}made`)
          ? markText({ owner, space: collection === 'c' ? space : undefined })
          : undefined,
      createCollection: ({ collection }: { readonly collection: string }) => step(`${of(collection)}made`),
      hasIndex: async (collection: string) => done.has(`${of(collection)}index`),
      createIndex: ({ collection }: { readonly collection: string }) => step(`${of(collection)}index`),
      isLoaded: async (collection: string) => done.has(`${of(collection)}loaded`),
      load: async (collection: string) => {
        state.loads++;
        await step(`${of(collection)}loaded`);
      },
    } as unknown as MilvusConnection;
    const options = milvusOptions.parse({ collection: 'c' });
    const place = { connection, options, owner, clock: systemClock };
    return { space, done, state, writer: new Collections(place), reader: new FoundCollections(place) };
  }

  it('that another process has begun is finished before anything is written to it, and once', async () => {
    const { space, done, state, writer } = servingSteps(['made', 'tombstones made']);
    assert.deepEqual(await writer.space(), space);
    assert.equal(await writer.hasTombstones(), true);
    assert.deepEqual(
      done,
      new Set(['made', 'index', 'loaded', 'tombstones made', 'tombstones index', 'tombstones loaded']),
    );
    await Promise.all([writer.space(), writer.hasTombstones(), writer.space()]);
    assert.equal(state.loads, 2);
  });

  for (const fails of ['index', 'loaded']) {
    it(`that could not be finished (${fails}) is not there for a writer, who tries again`, async () => {
      const { space, done, state, writer } = servingSteps();
      state.fails = fails;
      await assert.rejects(writer.makeEmbeddings(space), { code: 'timeout' });
      await assert.rejects(writer.space(), { code: 'timeout' });
      state.fails = '';
      assert.deepEqual(await writer.space(), space);
      assert.ok(done.has('loaded'));
    });
  }

  it('is not finished by one who only reads', async () => {
    const { space, done, reader } = servingSteps(['made', 'tombstones made']);
    assert.deepEqual(await reader.space(), space);
    assert.equal(await reader.hasTombstones(), true);
    assert.deepEqual(done, new Set(['made', 'tombstones made']));
  });
});

describe('rows of Milvus', () => {
  it('hold the vector wherever its bytes lie in a message', () => {
    const components = [1.5, -0, 3e-45, -7.25];
    const vector = Buffer.concat([Buffer.from([1, 2, 3]), float32Bytes(components), Buffer.from([9])]);
    const embedding = { ...sample('offset'), vector: vector.subarray(3, 19), dimension: 4 };
    const row = embeddingRow({ version: V, embedding });
    const floats = Float32Array.from(components);
    assert.deepEqual(row.vector, Array.from(floats));
    const back = embeddingOf(row, spaceOf(embedding));
    assert.ok(Buffer.from(back.vector).equals(embedding.vector));
  });

  it('are asked for by filters of bounded size', () => {
    const ids = Array.from({ length: 12_000 }, (_, index) => `id ${index}`);
    const parts = Array.from(filterParts(ids));
    assert.deepEqual(parts.flat(), ids);
    assert.ok(parts.every((part) => part.length <= 5_000));
    const long = Array.from({ length: 1_000 }, (_, index) => `${index}${'x'.repeat(1_000)}`);
    assert.ok(Array.from(filterParts(long)).every((part) => part.join('').length <= 256 * 1024));
  });
});
