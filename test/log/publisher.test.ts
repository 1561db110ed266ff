import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { Lane } from '../../log/kafka/lane.ts';
import type { LaneProducer } from '../../log/kafka/lane-producer.ts';
import { KafkaPublisher, type PublisherOptions } from '../../log/kafka/publisher.ts';
import type { Change } from '../../schemas/change.ts';
import { createCodec } from '../../schemas/codec.ts';
import { KINDS, topicOf } from '../../schemas/kinds.ts';
import { RECORD_OVERHEAD_BYTES } from '../../schemas/record-size.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { FakeBroker, type Fate, openFakeProducer } from './fake-broker.ts';

interface Opened {
  readonly publisher: KafkaPublisher;
  readonly broker: FakeBroker;
}

function open(options: Partial<PublisherOptions> = {}, fates: readonly Fate[] = [], lanes = 3): Opened {
  const broker = new FakeBroker(fates);
  const openProducer = async (): Promise<LaneProducer> => openFakeProducer(broker);
  const common = { maxBatchBytes: 10_000, clock: systemClock };
  const publisher = new KafkaPublisher({
    ...common,
    lanes: Array.from(
      { length: lanes },
      () => new Lane({ ...common, openProducer, deliveryTimeoutMs: 60_000, logger: silentLogger }),
    ),
    topics: new Map(KINDS.map((kind) => [kind, topicOf('p', kind)])),
    partitions: 12,
    codec: createCodec(),
    maxChangeBytes: 5_000,
    maxInFlightBytes: 1_000_000,
    closeTimeoutMs: 1_000,
    ...options,
  });
  return { publisher, broker };
}

function changes(count: number, version: number): readonly Change[] {
  return Array.from({ length: count }, (_, index) =>
    upsert('agent', sampleEntity('agent', { name: `agent ${index}` }), version),
  );
}

describe('the publisher', () => {
  it('sends each partition of each topic over one lane, and uses all lanes', async () => {
    const { publisher, broker } = open();
    for (let version = 1; version <= 5; version++) {
      const policies = changes(100, version).map(({ key }) =>
        upsert('policy', sampleEntity('policy', { name: key }), version),
      );
      await publisher.publish([...changes(100, version), ...policies]);
    }
    const lanesOf = Map.groupBy(broker.sent, ({ place }) => place);
    assert.equal(lanesOf.size, 24);
    for (const [place, sent] of lanesOf)
      assert.equal(new Set(sent.map(({ producer }) => producer)).size, 1, place);
    assert.equal(broker.producers, 3);
  });

  it('says when there is room, so that a reader need not hold what would only wait', async () => {
    const { publisher } = open({ maxInFlightBytes: 3_000 });
    await publisher.ready();
    let ready = false;
    const call = publisher.publish(changes(30, 1));
    const waiting = publisher.ready().then(() => {
      ready = true;
    });
    assert.equal(ready, false);
    await call;
    await waiting;
    await publisher.close();
  });

  it('lets calls wait when too much is under way, in the order of the calls', async () => {
    const { publisher, broker } = open({ maxInFlightBytes: 3_000 });
    const order: number[] = [];
    const calls = Array.from({ length: 30 }, (_, index) =>
      publisher.publish(changes(5, index + 1)).then(() => order.push(index)),
    );
    await Promise.all(calls);
    const codec = createCodec();
    for (const [place, keys] of broker.written) {
      const versions = broker.sent
        .filter((batch) => batch.place === place)
        .flatMap(({ messages }) => messages)
        .map(({ key, value }) => ({ key: key.toString(), value }))
        .map(({ key, value }) => [key, codec.decode('agent', key, value ?? Buffer.of()).version] as const);
      for (const key of new Set(keys)) {
        const ofKey = versions.filter(([other]) => other === key).map(([, version]) => version);
        assert.deepEqual(
          ofKey,
          [...ofKey].sort((a, b) => a - b),
          key,
        );
        assert.equal(ofKey.length, 30);
      }
    }
  });

  it('takes in no more than its bound and one call', async () => {
    const codec = createCodec();
    let encoded = 0;
    const counting = {
      ...codec,
      encode: (change: Change) => {
        encoded += 1;
        return codec.encode(change);
      },
    };
    const changeBytes =
      codec.encode(changes(1, 1)[0] as Change).byteLength + 'agent 0'.length + RECORD_OVERHEAD_BYTES;
    const { publisher } = open({ codec: counting, maxInFlightBytes: 12 * changeBytes });
    const calls = Array.from({ length: 20 }, (_, index) => publisher.publish(changes(5, index + 1)));
    assert.equal(encoded, 15);
    await Promise.all(calls);
    assert.equal(encoded, 100);
  });

  it('rejects the calls that wait when one before them fails, so that they do not overtake it', async () => {
    const { publisher, broker } = open({ maxInFlightBytes: 1 }, ['refused'], 1);
    const settled = await Promise.allSettled(
      [1, 2, 3].map((version) => publisher.publish(changes(1, version))),
    );
    assert.deepEqual(
      settled.map(({ status }) => status),
      ['rejected', 'rejected', 'rejected'],
    );
    assert.equal(broker.written.size, 0);
    await publisher.publish(changes(1, 4));
    assert.equal(broker.written.size, 1);
  });

  it('refuses what is too large without holding up the calls behind it', async () => {
    const { publisher, broker } = open({ maxChangeBytes: 500, maxInFlightBytes: 1 });
    const large = upsert(
      'agent',
      sampleEntity('agent', { name: 'large', scalars: { x: 'x'.repeat(600) } }),
      1,
    );
    const calls = [changes(2, 1), [large], changes(2, 2)].map((call) => publisher.publish(call));
    const settled = await Promise.allSettled(calls);
    assert.deepEqual(
      settled.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.equal(Array.from(broker.written.values()).flat().length, 4);
  });

  it('rejects what is not confirmed when closing takes too long', async () => {
    const never = Array.from({ length: 1_000 }, () => 'never arrived' as const);
    const { publisher } = open({ closeTimeoutMs: 50 }, never);
    const call = assert.rejects(publisher.publish(changes(1, 1)), { code: 'aborted' });
    const start = performance.now();
    await publisher.close();
    await call;
    assert.ok(performance.now() - start < 1_000);
  });
});
