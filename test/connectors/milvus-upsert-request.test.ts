import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { MilvusClient } from '@zilliz/milvus2-sdk-node';
import fc from 'fast-check';
import type { Store } from '../../connectors/connector.ts';
import type { VersionedEmbedding } from '../../connectors/milvus/rows.ts';
import { embeddingsRequest, tombstonesRequest } from '../../connectors/milvus/upsert-columns.ts';
import { encodeUpsert } from '../../connectors/milvus/upsert-request.ts';
import { upsertSample } from '../../connectors/milvus/upsert-sample.ts';
import { wireOf } from '../../connectors/milvus/wire.ts';
import { upsert } from '../support/changes.ts';
import {
  float32Bytes,
  HOSTILE_SCALARS,
  HOSTILE_TEXTS,
  sampleEntity,
  TEST_DIMENSION,
} from '../support/entities.ts';
import { testStack } from '../support/stack.ts';
import { dropCollections, embeddingRow, openStore, testOptions } from './milvus-support.ts';

type Method = {
  requestSerialize(request: object): Buffer;
  requestDeserialize(bytes: Buffer): object;
};

const component = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(-0, 1.401298464324817e-45, -1.401298464324817e-45, 3.4028234663852886e38),
);
const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constantFrom(...HOSTILE_TEXTS));
const scalar = fc.oneof(text, fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true }));
const row: fc.Arbitrary<VersionedEmbedding> = fc
  .record({
    version: fc.oneof(
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 0, max: 52 }).map((exponent) => 2 ** exponent),
      fc.maxSafeInteger().map((n) => Math.abs(n) || 1),
    ),
    id: text,
    agentId: text,
    components: fc.array(component, { minLength: TEST_DIMENSION, maxLength: TEST_DIMENSION }),
    metadata: fc.oneof(
      fc.constant({}),
      fc.constant(HOSTILE_SCALARS),
      fc.dictionary(
        text.filter((name) => name !== '__proto__'),
        scalar,
        { maxKeys: 5 },
      ),
    ),
  })
  .map(({ version, id, agentId, components, metadata }) => ({
    version,
    embedding: {
      ...sampleEntity('embedding', { name: 'any' }),
      ...{ id, agentId, metadata, vector: float32Bytes(components) },
    },
  }));

describe('the upsert that we write ourselves', () => {
  const options = testOptions();
  const collection = options.collection;
  let store: Store;
  let client: MilvusClient;
  before(async () => {
    store = await openStore(options);
    await store.prepare();
    await store.sink.apply([upsert('embedding', sampleEntity('embedding', { name: 'first' }), 1)]);
    client = new MilvusClient({ address: testStack().milvus.address, telemetry: { enabled: false } });
    await client.connectPromise;
  });
  after(async () => {
    await client.closeConnection();
    await store.close();
    await dropCollections(options);
  });

  const upsertMethod = async (): Promise<Method> => {
    const service = await client.channelPool.acquire();
    await client.channelPool.release(service);
    const { service: methods } = service.constructor as unknown as { service: Record<string, Method> };
    return methods.Upsert as Method;
  };

  it('says to the last bit what the client says, in both encodings', { timeout: 120_000 }, async () => {
    const method = await upsertMethod();
    const { update_timestamp_str } = await client.describeCollection({ collection_name: collection });
    const byClient = interceptUpsert(client, method);
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (embeddings) => {
        const theirs = await byClient(() =>
          client.upsert({ collection_name: collection, data: embeddings.map(embeddingRow) as never }),
        );
        const schemaTimestamp = BigInt(update_timestamp_str || 0);
        const ours = encodeUpsert({ collection, dimension: TEST_DIMENSION, schemaTimestamp, embeddings });
        const wanted = method.requestDeserialize(theirs);
        assert.deepEqual(method.requestDeserialize(ours), wanted);
        const named = method.requestSerialize(embeddingsRequest(collection, embeddings));
        assert.deepEqual(method.requestDeserialize(named), { ...wanted, schema_timestamp: '0' });
      }),
      { numRuns: 200 },
    );
  });

  it('says what the client says of tombstones', async () => {
    const method = await upsertMethod();
    const tombstones = [
      { id: 'a "quoted" one', version: 7 },
      { id: 'é', version: Number.MAX_SAFE_INTEGER },
    ];
    const data = tombstones.map((tombstone) => ({ ...tombstone, unused: [0, 0] }));
    const collection_name = `${collection}_tombstones`;
    const theirs = await interceptUpsert(
      client,
      method,
    )(() => client.upsert({ collection_name, data: data as never }));
    const ours = method.requestSerialize(tombstonesRequest(collection_name, tombstones));
    const wanted = method.requestDeserialize(theirs);
    assert.deepEqual(method.requestDeserialize(ours), { ...wanted, schema_timestamp: '0' });
  });

  it('is found to say what the client says before the first is sent, and not when it would not', () => {
    const wire = wireOf(client);
    const { bytes, request } = upsertSample();
    assert.equal(wire.says('Upsert', bytes, request), true);
    assert.equal(wire.says('Upsert', bytes, { ...request, num_rows: 3 }), false);
    assert.equal(wire.says('NoSuchCall', bytes, request), false);
  });

  it('is not sent when a vector is not as long as the collection says', () => {
    const embeddings = [{ version: 1, embedding: sampleEntity('embedding', { name: 'any' }) }];
    const request = { collection, schemaTimestamp: 0n, embeddings };
    assert.throws(() => encodeUpsert({ ...request, dimension: TEST_DIMENSION + 1 }));
    assert.throws(() => encodeUpsert({ ...request, dimension: TEST_DIMENSION - 1 }));
  });
});

/** Takes the client's request from it when it is about to be sent, and answers in the server's place. */
function interceptUpsert(client: MilvusClient, method: Method) {
  let taken: Buffer = Buffer.alloc(0);
  const pool = client.channelPool;
  const acquire = pool.acquire.bind(pool);
  const real = new WeakMap<object, Awaited<ReturnType<typeof acquire>>>();
  const release = pool.release.bind(pool);
  pool.acquire = async () => {
    const service = await acquire();
    const wrapped = new Proxy(service, {
      get(target, name) {
        if (name !== 'Upsert') return Reflect.get(target, name, target) as unknown;
        return (request: object, _options: object, done: (error: null, answer: object) => void) => {
          taken = method.requestSerialize(request);
          done(null, { status: { error_code: 'Success', code: 0 } });
        };
      },
    });
    real.set(wrapped, service);
    return wrapped;
  };
  pool.release = async (service) => release(real.get(service) ?? service);
  return async (work: () => Promise<unknown>): Promise<Buffer> => {
    await work();
    return taken;
  };
}
