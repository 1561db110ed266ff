import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { openTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';
import { dropCollections, openStore, testOptions } from './milvus-support.ts';

const GIVES_UP_AFTER_MS = 2_000;
const PATIENCE_MS = 30_000;

describe('a Milvus that takes connections and says nothing in them', () => {
  const options = testOptions();
  let proxy: TcpProxy;
  let store: Store;

  before(async () => {
    proxy = await openTcpProxy({ target: options.address });
    store = await openStore({ ...options, address: proxy.address, timeoutMs: GIVES_UP_AFTER_MS });
    await store.prepare();
  });
  after(async () => {
    await store.close();
    await proxy.close();
    await dropCollections(options);
  });

  it('is given up, and connected to anew', async () => {
    proxy.vanish();
    // What was connected is not any more; what connects now has nobody to talk to.
    proxy.reset();
    const change = upsert('embedding', sampleEntity('embedding', { name: 'one' }), 1_700_000_000_000_000);
    const offer = () =>
      store.sink.apply([change]).then(
        ([outcome]) => outcome?.status,
        () => 'failed',
      );
    const isGivenUp = () => proxy.hungUpAfterMs.some((ms) => ms >= GIVES_UP_AFTER_MS - 100);
    const untilMs = performance.now() + PATIENCE_MS;
    while (!isGivenUp() && performance.now() < untilMs) assert.equal(await offer(), 'failed');
    assert.ok(isGivenUp(), `hung up after ${proxy.hungUpAfterMs}`);
    proxy.restore();
    let last = '';
    await until(async () => {
      last = (await offer()) ?? '';
      return last === 'applied';
    }, PATIENCE_MS);
  });
});
