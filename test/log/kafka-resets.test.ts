import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { openKafkaLog } from '../../log/kafka/open.ts';
import { kafkaOptions } from '../../log/kafka/options.ts';
import { type Log, type LogRecord, lagOf } from '../../log/log.ts';
import { createCodec } from '../../schemas/codec.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { testStack } from '../support/stack.ts';
import { openKafkaProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const [broker = ''] = testStack().kafka.brokers;
const codec = createCodec();
const KEYS = 500;

describe('the log on Kafka over a bad network', () => {
  const prefix = `t-${randomUUID().slice(0, 8)}`;
  const cleanUp: (() => Promise<unknown>)[] = [];
  after(async () => {
    for (const step of cleanUp.toReversed()) await step();
    await dropTopics(broker, prefix);
  });

  async function openProxy(): Promise<TcpProxy> {
    const proxy = await openKafkaProxy(broker);
    cleanUp.push(() => proxy.close());
    return proxy;
  }

  async function open(address: string, name: string, options: object = {}): Promise<Log> {
    const parsed = kafkaOptions.parse({ brokers: [address], sessionTimeoutMs: 6_000, ...options });
    const context = {
      prefix: `${prefix}-${name}`,
      codec,
      writer: 'test',
      logger: silentLogger,
      clock: systemClock,
    };
    const log = await openKafkaLog(parsed, context);
    cleanUp.push(() => log.close());
    return log;
  }

  /** Publishes rounds of one change per key, each round a call, without waiting for the one before. */
  async function publishRounds(log: Log, rounds: number, disturb: () => Promise<void>): Promise<number> {
    const publisher = await log.publisher();
    let disturbing = true;
    const disturbance = disturb().finally(() => {
      disturbing = false;
    });
    const calls: Promise<void>[] = [];
    let version = 0;
    while (disturbing || version < rounds) {
      version += 1;
      calls.push(publisher.publish(roundOf(version)));
      if (calls.length % 20 === 0) await calls[calls.length - 10];
    }
    await disturbance;
    await Promise.all(calls);
    return version;
  }

  it('publishes over lanes through 20 resets: nothing lost, doubled or reordered', async () => {
    const proxy = await openProxy();
    const log = await open(proxy.address, 'resets');
    await log.prepare();
    let resets = 0;
    const versions = await publishRounds(log, 100, async () => {
      for (let count = 0; count < 20; count++) {
        await delay(60 + Math.random() * 120);
        resets += proxy.reset();
      }
    });
    assert.ok(resets >= 40, `${resets} connections were reset`);
    await assertComplete(await open(broker, 'resets'), versions);
  });

  it('publishes while answers get lost after the broker did the work: nothing lost, doubled or reordered', async () => {
    const proxy = await openProxy();
    const log = await open(proxy.address, 'answers');
    await log.prepare();
    const versions = await publishRounds(log, 100, async () => {
      for (let count = 0; count < 20; count++) {
        await delay(50);
        proxy.swallowAnswers();
        await delay(5 + Math.random() * 30);
        proxy.reset();
        proxy.restore();
      }
    });
    await assertComplete(await open(broker, 'answers'), versions);
  });

  it('consumes through resets: every record, in order, and the commits catch up', async () => {
    const proxy = await openProxy();
    const direct = await open(broker, 'consume');
    await direct.prepare();
    const publisher = await direct.publisher();
    for (let version = 1; version <= 40; version++) await publisher.publish(roundOf(version));
    const log = await open(proxy.address, 'consume');
    const reader = await log.subscribe({ group: 'g', kinds: ['agent'], maxBatchRecords: 200 });
    const stop = new AbortController();
    const seen = new Map<string, number>();
    let batches = 0;
    const timer = setTimeout(() => stop.abort(), 60_000);
    for await (const batch of reader.batches(stop.signal)) {
      for (const record of batch.records) noteVersion(seen, record);
      await reader.commit(batch);
      batches += 1;
      if (batches % 5 === 0 && batches <= 50) proxy.reset();
      const lag = (await direct.positions(['agent'], 'g')).reduce(
        (sum, position) => sum + lagOf(position),
        0,
      );
      if (lag === 0) break;
    }
    clearTimeout(timer);
    assert.ok(!stop.signal.aborted, 'it did not catch up');
    assert.equal(seen.size, KEYS);
    assert.ok([...seen.values()].every((version) => version === 40));
    await reader.close();
  });

  it('goes on after the broker was away longer than the client itself tries', async () => {
    const proxy = await openProxy();
    const log = await open(proxy.address, 'away');
    await log.prepare();
    const publisher = await log.publisher();
    const reader = await log.subscribe({ group: 'g', kinds: ['agent'] });
    const received = new Set<number>();
    const stop = new AbortController();
    const reading = (async () => {
      for await (const batch of reader.batches(stop.signal)) {
        for (const { key, value } of batch.records) {
          if (value !== null) received.add(codec.decode('agent', key, value).version);
        }
        await reader.commit(batch);
        if (received.has(3)) break;
      }
    })();
    await publisher.publish(roundOf(1));
    proxy.refuse();
    proxy.reset();
    const second = publisher.publish(roundOf(2));
    const fact = log.control.write('during', true);
    await delay(7_000);
    proxy.restore();
    await Promise.all([second, fact]);
    await publisher.publish(roundOf(3));
    const timer = setTimeout(() => stop.abort(), 30_000);
    await reading;
    clearTimeout(timer);
    assert.deepEqual([...received].sort(), [1, 2, 3]);
    assert.equal((await log.control.read('during')).size, 1);
    await reader.close();
  });

  it('closes in time when the broker does not answer any more', async () => {
    const proxy = await openProxy();
    const log = await open(proxy.address, 'silent', { closeTimeoutMs: 1_000 });
    await log.prepare();
    const publisher = await log.publisher();
    await log.subscribe({ group: 'g', kinds: ['agent'] });
    await log.control.read('');
    proxy.stall();
    const unconfirmed = assert.rejects(publisher.publish(roundOf(1)), /before Kafka confirmed/);
    await delay(100);
    const start = performance.now();
    await log.close();
    await unconfirmed;
    assert.ok(performance.now() - start < 8_000, `${performance.now() - start} ms`);
  });

  it('sends nothing any more once it has closed, also of what was rejected', async () => {
    const proxy = await openProxy();
    const log = await open(proxy.address, 'closed', { closeTimeoutMs: 500, requestTimeoutMs: 1_000 });
    await log.prepare();
    const publisher = await log.publisher();
    proxy.stall();
    const unconfirmed = assert.rejects(publisher.publish(roundOf(1)), { code: 'aborted' });
    await publisher.close();
    await unconfirmed;
    proxy.restore();
    await delay(4_000);
    const ends = await (await open(broker, 'closed')).positions(['agent']);
    assert.equal(
      ends.reduce((sum, { end }) => sum + end, 0),
      0,
    );
  });

  it('says within the time which address does not answer', async () => {
    const proxy = await openProxy();
    proxy.stall();
    for (const address of ['127.0.0.1:1', proxy.address]) {
      const start = performance.now();
      await assert.rejects(open(address, 'none'), {
        name: 'ChangeoverError',
        code: 'unreachable',
        message: new RegExp(address),
      });
      assert.ok(performance.now() - start < 12_000);
    }
  });
});

function roundOf(version: number) {
  return Array.from({ length: KEYS }, (_, index) =>
    upsert('agent', sampleEntity('agent', { name: `agent ${index}`, variant: version }), version),
  );
}

/** Reads the whole topic and holds it to what was confirmed: each key has each version once, in order. */
async function assertComplete(log: Log, versions: number): Promise<void> {
  const reader = await log.subscribe({ group: `check-${randomUUID()}`, kinds: ['agent'] });
  const ends = await log.positions(['agent']);
  const total = ends.reduce((sum, { end }) => sum + end, 0);
  const seen = new Map<string, number>();
  let count = 0;
  for await (const batch of reader.batches(AbortSignal.timeout(60_000))) {
    for (const record of batch.records) {
      const version = versionOf(record);
      assert.equal(
        version,
        (seen.get(record.key) ?? 0) + 1,
        `${record.key} in partition ${record.partition}`,
      );
      seen.set(record.key, version);
    }
    count += batch.records.length;
    if (count >= total) break;
  }
  await reader.close();
  assert.equal(seen.size, KEYS);
  assert.ok([...seen.values()].every((version) => version === versions));
  assert.equal(count, KEYS * versions);
}

function versionOf({ key, value }: LogRecord): number {
  assert.ok(value);
  return codec.decode('agent', key, value).version;
}

/** A redelivery may go back, but never skips: no version is seen before the one below it. */
function noteVersion(seen: Map<string, number>, record: LogRecord): void {
  const version = versionOf(record);
  const newest = seen.get(record.key) ?? 0;
  assert.ok(version <= newest + 1, `${record.key}: ${version} after ${newest}`);
  seen.set(record.key, Math.max(newest, version));
}
