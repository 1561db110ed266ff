import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { openKafkaLog } from '../../log/kafka/open.ts';
import { kafkaOptions } from '../../log/kafka/options.ts';
import type { Log, RecordBatch, Subscription } from '../../log/log.ts';
import { createCodec } from '../../schemas/codec.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { testStack } from '../support/stack.ts';

const TOPIC = 2;
const [broker = ''] = testStack().kafka.brokers;

describe('the log and the settings of its topics', () => {
  const family = `t-${randomUUID().slice(0, 8)}`;
  const opened: Log[] = [];
  const warnings: Error[] = [];
  process.on('warning', (warning) => warnings.push(warning));
  after(async () => {
    await Promise.all(opened.map((log) => log.close()));
    await dropTopics(broker, family);
  });

  async function open(name: string, options: object = {}): Promise<Log> {
    const log = await openKafkaLog(kafkaOptions.parse({ brokers: [broker], partitions: 2, ...options }), {
      prefix: `${family}-${name}`,
      codec: createCodec(),
      writer: 'test',
      logger: silentLogger,
      clock: systemClock,
    });
    opened.push(log);
    return log;
  }

  it('creates topics that keep changes for ever and compact facts', async () => {
    await (await open('settings')).prepare();
    await withAdmin(async (admin) => {
      const settingsOf = async (name: string) => {
        const { resources } = await admin.describeConfigs({
          includeSynonyms: false,
          resources: [{ type: TOPIC, name: `${family}-settings.${name}` }],
        });
        return new Map(
          resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]),
        );
      };
      for (const name of ['agents', 'q-values', 'dead-letters']) {
        const settings = await settingsOf(name);
        assert.deepEqual(
          [settings.get('cleanup.policy'), settings.get('retention.ms'), settings.get('retention.bytes')],
          ['delete', '-1', '-1'],
        );
      }
      assert.equal((await settingsOf('control')).get('cleanup.policy'), 'compact');
    });
  });

  it('refuses a topic of changes that is compacted, and a control topic that is not', async () => {
    for (const [name, policy] of [
      ['agents', 'compact'],
      ['control', 'delete'],
    ] as const) {
      const log = await open(`cleanup-${policy}`);
      await log.prepare();
      await setTopic(`${family}-cleanup-${policy}.${name}`, 'cleanup.policy', policy);
      const expected = { code: 'mismatch', message: new RegExp(`${name} has cleanup.policy=${policy}`) };
      await eventually(() => assert.rejects(log.prepare(), expected));
    }
  });

  it('refuses what is larger than the topic takes, whatever the configuration says', async () => {
    await (await open('limit')).prepare();
    const log = await open('limit', { maxChangeBytes: 4_000_000 });
    const publisher = await log.publisher();
    const scalars = { x: 'x'.repeat(2_000_000) };
    const large = upsert('agent', sampleEntity('agent', { name: 'large', scalars }), 1);
    await assert.rejects(publisher.publish([...agents(1), large]), { code: 'change-rejected' });
    assert.ok(
      (await log.positions(['agent'])).every(({ end }) => end === 0),
      'nothing of the call was sent',
    );
    await publisher.publish(agents(1));
  });

  it('creates topics that take changes as large as configured', async () => {
    const log = await open('large', { maxChangeBytes: 4_000_000 });
    await log.prepare();
    const publisher = await log.publisher();
    const scalars = { x: 'x'.repeat(3_900_000) };
    await publisher.publish([upsert('agent', sampleEntity('agent', { name: 'large', scalars }), 1)]);
    const reader = await log.subscribe({ group: 'g', kinds: ['agent'], maxBufferedBytes: 100_000 });
    assert.equal((await firstBatch(reader)).records.length, 1);
  });

  it('reads what a broker compressed with gzip', async () => {
    const log = await open('gzip');
    await log.prepare();
    await setTopic(`${family}-gzip.agents`, 'compression.type', 'gzip');
    await (await log.publisher()).publish(agents(100));
    const reader = await log.subscribe({ group: 'g', kinds: ['agent'] });
    const { value, key } = (await firstBatch(reader)).records[0] ?? { value: null, key: '' };
    assert.ok(value);
    assert.equal(createCodec().decode('agent', key, value).version, 1);
  });

  for (const codec of ['snappy', 'lz4', 'zstd']) {
    it(`says clearly that it cannot read ${codec}`, async () => {
      const log = await open(codec);
      await log.prepare();
      await setTopic(`${family}-${codec}.agents`, 'compression.type', codec);
      const publisher = await log.publisher();
      const reader = await log.subscribe({ group: 'g', kinds: ['agent'] });
      // The broker takes the setting up when it pleases, so there is something new until the reader gives up.
      const stop = new AbortController();
      const publishing = (async () => {
        while (!stop.signal.aborted) await Promise.all([publisher.publish(agents(100)), delay(100)]);
      })();
      const reading = readUntil(reader, AbortSignal.timeout(30_000));
      await assert.rejects(reading, (error: Error & { code?: string; hint?: string }) => {
        assert.equal(error.code, 'unsupported');
        assert.match(error.message.toLowerCase(), new RegExp(`agents.*${codec}`));
        assert.match(error.hint ?? '', /compression\.type/);
        return true;
      });
      stop.abort();
      await publishing;
    });
  }

  it('stops with a gap when records expire before they were read', async () => {
    const log = await open('expired', { partitions: 1 });
    await log.prepare();
    const publisher = await log.publisher();
    for (let version = 1; version <= 30; version++) await publisher.publish(agents(100));
    const reader = await log.subscribe({ group: 'g', kinds: ['agent'], maxBufferedBytes: 64 * 1024 });
    const iterator = reader.batches(AbortSignal.timeout(30_000))[Symbol.asyncIterator]();
    await iterator.next();
    await delay(500);
    const topic = `${family}-expired.agents`;
    await withAdmin(async (admin) => {
      // kafkajs has to know the topic first.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2900' }] });
    });
    await assert.rejects(
      (async () => {
        for (let next = await iterator.next(); next.done !== true; next = await iterator.next());
      })(),
      { code: 'gap', message: /expired\.agents, partition 0: offsets \d+ to 2899 are missing/ },
    );
  });

  it('does not begin behind a gap, however often it is asked, until the gap is accepted', async () => {
    const log = await open('unread', { partitions: 1 });
    await log.prepare();
    await (await log.publisher()).publish(agents(200));
    const first = await log.subscribe({ group: 'g', kinds: ['agent'], maxBatchRecords: 50 });
    await first.commit(await firstBatch(first));
    await first.close();
    const topic = `${family}-unread.agents`;
    await withAdmin(async (admin) => {
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '120' }] });
    });
    for (const _try of [1, 2]) {
      await assert.rejects(log.subscribe({ group: 'g', kinds: ['agent'] }), {
        code: 'gap',
        message: /unread\.agents, partition 0: offsets 50 to 119 are missing/,
      });
    }
    const accepting = await log.subscribe({ group: 'g', kinds: ['agent'], acceptGap: true });
    assert.equal((await firstBatch(accepting)).records[0]?.offset, 120);
  });

  it('tells the reader when a topic is deleted under it', async () => {
    const log = await open('deleted');
    await log.prepare();
    await (await log.publisher()).publish(agents(10));
    const reader = await log.subscribe({ group: 'g', kinds: ['agent'] });
    const iterator = reader.batches(new AbortController().signal)[Symbol.asyncIterator]();
    await iterator.next();
    await withAdmin((admin) => admin.deleteTopics({ topics: [`${family}-deleted.agents`] }));
    await assert.rejects(
      (async () => {
        for (;;) await iterator.next();
      })(),
      { code: 'mismatch', message: /missing.*deleted\.agents/ },
    );
  });

  it('keeps quiet about the timers of kafkajs, and about nothing else', async () => {
    process.emitWarning('still heard', 'SomeOtherWarning');
    await delay(10);
    assert.deepEqual(
      warnings.map(({ name }) => name).filter((name) => name !== 'ExperimentalWarning'),
      ['SomeOtherWarning'],
    );
  });

  it('needs a user and a password to log in', async () => {
    await assert.rejects(open('login', { saslMechanism: 'plain', user: 'me' }), {
      code: 'config',
      message: /needs a user and a password/,
    });
  });
});

function agents(count: number) {
  return Array.from({ length: count }, (_, index) =>
    upsert('agent', sampleEntity('agent', { name: `agent ${index}` }), 1),
  );
}

async function readUntil(reader: Subscription, signal: AbortSignal): Promise<void> {
  for await (const batch of reader.batches(signal)) await reader.commit(batch);
}

async function firstBatch(reader: Subscription): Promise<RecordBatch> {
  for await (const batch of reader.batches(AbortSignal.timeout(30_000))) return batch;
  throw new Error('Nothing came.');
}

async function withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

async function setTopic(name: string, setting: string, value: string): Promise<void> {
  await withAdmin((admin) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: TOPIC, name, configEntries: [{ name: setting, value }] }],
    }),
  );
  await delay(300);
}

async function eventually(check: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await check();
      return;
    } catch (error) {
      if (attempt === 50) throw error;
      await delay(100);
    }
  }
}
