import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EntityWrite } from '../../connectors/capture.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { openKafkaLog } from '../../log/kafka/open.ts';
import { kafkaOptions } from '../../log/kafka/options.ts';
import type { Log } from '../../log/log.ts';
import type { Change } from '../../schemas/change.ts';
import { createCodec } from '../../schemas/codec.ts';
import { KINDS } from '../../schemas/kinds.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { agentWrite, MemoryCapture } from '../support/memory-capture.ts';
import { MemoryOutbox } from '../support/memory-outbox.ts';
import { testStack } from '../support/stack.ts';
import { openKafkaProxy } from '../support/tcp-proxy.ts';
import { fill, listeningLogger, startRelay, until } from './relay-support.ts';

const [broker = ''] = testStack().kafka.brokers;
const codec = createCodec();
const FOR_MS = 16_000;
const KEYS = 200;
const WRITERS = 8;

describe('a relay over a bad network', () => {
  const prefix = `t-${randomUUID().slice(0, 8)}`;
  const cleanUp: (() => Promise<unknown>)[] = [];
  after(async () => {
    for (const step of cleanUp.toReversed()) await step();
    await dropTopics(broker, prefix);
  });

  async function open(address: string, name: string, options: object = {}): Promise<Log> {
    const context = {
      prefix: `${prefix}-${name}`,
      codec,
      writer: 'test',
      logger: silentLogger,
      clock: systemClock,
    };
    const parsed = kafkaOptions.parse({ brokers: [address], partitions: 6, ...options });
    const log = await openKafkaLog(parsed, context);
    cleanUp.push(() => log.close());
    return log;
  }

  it('brings every captured write into the log once, in order per key, while writers go on', async () => {
    const seed = Number(process.env.CHANGEOVER_TEST_SEED ?? randomInt(1_000_000));
    const random = seededRandom(seed);
    const proxy = await openKafkaProxy(broker);
    cleanUp.push(() => proxy.close());
    const log = await open(proxy.address, 'resets');
    await log.prepare();
    const outbox = new MemoryOutbox();
    const captured = new Map<string, number[]>();
    const endMs = performance.now() + FOR_MS;

    const running = startRelay(outbox, log, { batchSize: 100, maxInFlight: 2_000 });
    const writers = Array.from({ length: WRITERS }, async (_, writer) => {
      const capture = new MemoryCapture(outbox);
      for (let round = 0; performance.now() < endMs; round++) {
        const key = `a${Math.floor(random() * KEYS)}`;
        const isDelete = random() < 0.34;
        const write: EntityWrite = isDelete
          ? { kind: 'agent', key, entity: null }
          : agentWrite(key, round * WRITERS + writer);
        const [result] = await capture.write([write]);
        assert.equal(result?.status, 'written');
        const version = result?.status === 'written' ? result.version : 0;
        captured.set(key, [...(captured.get(key) ?? []), version]);
        await sleep(random() * 6);
      }
    });
    let resets = 0;
    while (performance.now() < endMs - 1_000) {
      await sleep(40 + random() * 250);
      const fault = random();
      if (fault < 0.3) {
        proxy.swallowAnswers();
        await sleep(5 + random() * 30);
      } else if (fault < 0.4) {
        proxy.refuse();
        resets += proxy.reset();
        await sleep(random() * 400);
      }
      resets += proxy.reset();
      proxy.restore();
    }
    await Promise.all(writers);
    await until(() => outbox.items.length === 0, 60_000);
    await running.stop();

    const note = `seed ${seed}, ${resets} connections reset`;
    const published = await wholeLog(await open(broker, 'resets'));
    const versions = Map.groupBy(published, ({ key }) => key);
    assert.ok(resets > 100, note);
    assert.equal(versions.size, captured.size, note);
    for (const [key, expected] of captured) {
      assert.deepEqual(
        versions.get(key)?.map(({ version }) => version),
        expected,
        `${key}, ${note}`,
      );
    }
    const { published: confirmed, discarded, republished } = running.relay.progress();
    assert.deepEqual([confirmed, discarded, republished], [published.length, published.length, 0], note);
  });

  it('waits for a broker that is away for longer than publishing is tried, and loses nothing', async () => {
    const proxy = await openKafkaProxy(broker);
    cleanUp.push(() => proxy.close());
    const log = await open(proxy.address, 'away', { deliveryTimeoutMs: 300 });
    await log.prepare();
    const outbox = new MemoryOutbox();
    const logger = listeningLogger();
    const running = startRelay(outbox, log, { logger });
    await fill(outbox, 100);
    await until(() => outbox.items.length === 0);
    proxy.refuse();
    proxy.reset();
    await fill(outbox, 300);
    await sleep(4_000);
    const waiting = outbox.items.length;
    proxy.restore();
    await until(() => outbox.items.length === 0, 30_000);
    await running.stop();
    assert.equal(waiting, 300);
    // One warning, or another where one lane could go on before the others.
    const warnings = logger.said.filter(({ message }) => /trying again/.test(message)).length;
    assert.ok(warnings >= 1 && warnings <= 3, `${warnings} warnings`);
    const published = await wholeLog(await open(broker, 'away'));
    assert.equal(new Set(published.map(({ eventId }) => eventId)).size, 400);
    const last = new Map(published.map(({ key, version }) => [key, version]));
    for (const [key, held] of last) {
      assert.equal(held, (await outbox.store.source.get('agent', [key]))[0]?.version, key);
    }
  });

  it('stops in time while the broker does not answer, and its successor has everything', async () => {
    const proxy = await openKafkaProxy(broker);
    cleanUp.push(() => proxy.close());
    const log = await open(proxy.address, 'silent', { closeTimeoutMs: 500 });
    await log.prepare();
    const outbox = new MemoryOutbox({ renewWithinMs: 60_000 });
    const running = startRelay(outbox, log);
    await until(() => running.relay.progress().holding);
    await sleep(300);
    proxy.stall();
    await fill(outbox, 50);
    await sleep(100);
    const startMs = performance.now();
    await running.stop();
    assert.ok(performance.now() - startMs < 5_000, `${performance.now() - startMs} ms`);
    assert.equal(outbox.items.length, 50);
    const direct = await open(broker, 'silent');
    await startRelay(outbox, direct, { untilEmpty: true }).ended;
    const published = await wholeLog(direct);
    assert.equal(new Set(published.map(({ eventId }) => eventId)).size, 50);
  });
});

/** Everything that the topics hold, in the order of each partition. */
async function wholeLog(log: Log): Promise<readonly Change[]> {
  const total = (await log.positions(KINDS)).reduce((sum, { end }) => sum + end, 0);
  const reader = await log.subscribe({ group: `check-${randomUUID()}`, kinds: KINDS });
  const changes: Change[] = [];
  for await (const { records } of reader.batches(AbortSignal.timeout(60_000))) {
    for (const { kind, key, value } of records) {
      assert.ok(value);
      changes.push(codec.decode(kind, key, value));
    }
    if (changes.length >= total) break;
  }
  await reader.close();
  return changes;
}

/** mulberry32: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
