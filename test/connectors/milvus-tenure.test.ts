import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MilvusClient } from '@zilliz/milvus2-sdk-node';
import type { Store, Tenure } from '../../connectors/connector.ts';
import { createCalls } from '../../connectors/milvus/calls.ts';
import { connectionOf } from '../../connectors/milvus/connection.ts';
import type { MilvusOptions } from '../../connectors/milvus/options.ts';
import { wireOf } from '../../connectors/milvus/wire.ts';
import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { openTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { dropCollections, openStore, testOptions } from './milvus-support.ts';

const V = 1_700_000_000_000_000;
const embedding = (name: string) => sampleEntity('embedding', { name });

function tenureOf(ms: number): Tenure {
  const endMs = performance.now() + ms;
  return { remainingMs: () => Math.max(0, endMs - performance.now()) };
}

/** Less than any timeout of a call, more than the call that is begun with it may take. */
const TENURE_MS = 1_500;
/** A busy machine answers its own timers late. */
const LATE_MS = 1_500;

describe('a Milvus that hangs keeps nobody’s keys for longer than they are ours', {
  concurrency: false,
}, () => {
  const options = testOptions();
  let direct: Store;
  let proxy: TcpProxy;
  let store: Store;
  before(async () => {
    direct = await openStore(options);
    await direct.prepare();
    proxy = await openTcpProxy({ target: options.address });
  });
  const open = (): Promise<Store> => openStore({ ...options, address: proxy.address });
  after(async () => {
    await direct.close();
    await proxy.close();
    await dropCollections(options);
  });

  const hangs = async (changes: Parameters<Store['sink']['apply']>[0]): Promise<void> => {
    proxy.stall();
    const begun = performance.now();
    const error: unknown = await store.sink.apply(changes, tenureOf(TENURE_MS)).then(
      () => assert.fail('it did not fail'),
      (reason: unknown) => reason,
    );
    const tookMs = performance.now() - begun;
    proxy.restore();
    await store.close();
    assert.ok(error instanceof ChangeoverError, String(error));
    assert.deepEqual([error.code, error.retryable], ['timeout', true], error.message);
    assert.ok(tookMs < TENURE_MS + LATE_MS, `${Math.round(tookMs)} ms`);
  };

  it('while its sink looks for its collections', async () => {
    store = await open();
    await hangs([upsert('embedding', embedding('first'), V)]);
  });

  it('while the guard reads what is held', async () => {
    store = await open();
    await store.sink.apply([upsert('embedding', embedding('known'), V)]);
    await hangs([upsert('embedding', embedding('unknown'), V)]);
  });

  it('while it asks how far reads must see', async () => {
    store = await open();
    await store.sink.apply([upsert('embedding', embedding('known'), V)]);
    store.sink.forget?.();
    await hangs([upsert('embedding', embedding('unknown'), V)]);
  });

  for (const [what, next] of [
    ['an embedding', upsert('embedding', embedding('remembered'), V + 10)],
    ['a tombstone', removal('embedding', embedding('remembered').id, V + 20)],
  ] as const) {
    it(`while it is to write ${what}`, async () => {
      store = await open();
      store.sink.forget?.();
      // Remembered, so that nothing is read before the write.
      await store.sink.apply([upsert('embedding', embedding('remembered'), V + 1)]);
      await hangs([next]);
    });
  }
});

describe('nothing is written to Milvus when its keys are others’ already', () => {
  const options: MilvusOptions = testOptions();
  const { collection } = options;
  let store: Store;
  let client: MilvusClient;
  before(async () => {
    store = await openStore(options);
    await store.prepare();
    await store.sink.apply([upsert('embedding', embedding('there'), V)]);
    client = new MilvusClient({ address: options.address, telemetry: { enabled: false } });
    await client.connectPromise;
  });
  after(async () => {
    await client.closeConnection();
    await store.close();
    await dropCollections(options);
  });

  /** Takes all channels that the client has, as ten calls that hang do, for as long as `work` takes and half a second. */
  async function withoutChannels(work: () => Promise<unknown>): Promise<void> {
    const pool = client.channelPool;
    const taken = await Promise.all(Array.from({ length: pool.max }, () => pool.acquire()));
    const working = work();
    await assert.rejects(working, { code: 'timeout', retryable: true });
    await sleep(100);
    for (const channel of taken) await pool.release(channel);
    await sleep(500);
  }

  const connect = () => {
    const call = createCalls({ where: 'here', timeoutMs: 10_000, clock: systemClock });
    return connectionOf(client, { where: 'here', call, wire: wireOf(client), logger: silentLogger });
  };
  const held = async (id: string) => (await store.source.get('embedding', [id]))[0]?.version;

  it('neither a tombstone, nor an embedding, nor a delete that waited for a channel until then', async () => {
    const connection = connect();
    const late = embedding('late');
    // So that it has its schema, and nothing but the write is left to do.
    await connection.upsertEmbeddings(collection, [{ version: V, embedding: embedding('there') }]);
    await withoutChannels(() =>
      connection.upsertTombstones(`${collection}_tombstones`, [{ id: 'late', version: V }], tenureOf(300)),
    );
    await withoutChannels(() =>
      connection.upsertEmbeddings(collection, [{ version: V, embedding: late }], tenureOf(300)),
    );
    await withoutChannels(() => connection.remove(collection, [embedding('there').id], tenureOf(300)));
    assert.equal(await held('late'), undefined);
    assert.equal(await held(late.id), undefined);
    assert.equal(await held(embedding('there').id), V);
  });
});
