import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import type { Log, LogRecord, SubscribeOptions } from '../../log/log.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { eventually as eventuallyWithin } from '../support/eventually.ts';
import { openTestLog } from '../support/kafka-log.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { testStack } from '../support/stack.ts';
import { openSubscription } from './open-subscription.ts';

const [broker = ''] = testStack().kafka.brokers;
const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
const PATIENCE_MS = 30_000;

describe('a gap in the log', { concurrency: false }, () => {
  const family = `t-${randomUUID().slice(0, 8)}`;
  const cleanUp: (() => Promise<unknown>)[] = [];
  after(async () => {
    for (const step of cleanUp.toReversed()) await step();
    await dropTopics(broker, family);
  });

  async function open(name: string): Promise<{ log: Log; prefix: string; topic: string }> {
    const prefix = `${family}-${name}`;
    const options = { brokers: [broker], partitions: 1, sessionTimeoutMs: 6_000 };
    const log = await openTestLog(prefix, options);
    cleanUp.push(() => log.close());
    await log.prepare();
    return { log, prefix, topic: `${prefix}.agents` };
  }

  async function watched(prefix: string, maxBufferedBytes = 1024 * 1024, lookEveryMs = 300) {
    const opened = await openSubscription({
      broker,
      prefix,
      group: 'g',
      partitions: 1,
      lookEveryMs,
      maxBufferedBytes,
    });
    cleanUp.push(() => opened.close());
    return opened;
  }

  it('stops a reader whose topic was made again with more records than it had read', async () => {
    const { log, prefix, topic } = await open('rewritten');
    await publish(log, 'old', 20);
    await read(log, 20, { commit: true });
    const committed = await committedIn(prefix, topic);
    await remake(topic);
    await publish(log, 'new', 50);
    // Kafka forgets the group with the topic. A mirror, or a restored backup, does not.
    await commitAs(prefix, topic, committed);
    for (const _try of [1, 2]) {
      await assert.rejects(read(log, 1), {
        code: 'gap',
        message: /rewritten\.agents, partition 0: at offset 19 is another record.*recreated or rewritten/,
      });
    }
    const accepted = await read(log, 50, { acceptGap: true });
    assert.deepEqual([accepted[0]?.key, accepted[0]?.offset, accepted.length], ['new 0', 0, 50]);
  });

  it('goes on where another program has committed, or an older version of this one', async () => {
    const { log, prefix, topic } = await open('unmarked');
    await publish(log, 'old', 20);
    await commitAs(prefix, topic, { offset: '5', metadata: null });
    assert.equal((await read(log, 15))[0]?.offset, 5);
  });

  it('does not begin at the beginning of a topic that was made again, when another one remembers it', async () => {
    const { log, topic } = await open('forgotten');
    const kinds = ['agent', 'policy'] as const;
    const publisher = await log.publisher();
    await publisher.publish([policy(1)]);
    await read(log, 1, { kinds, commit: true });
    await publish(log, 'old', 20);
    await read(log, 20, { kinds, commit: true });
    /** Of the kinds, those of which it is said that the group has been there. */
    const forgotten = async (): Promise<readonly string[]> =>
      (await log.positions(kinds, 'g')).filter((position) => position.forgotten).map(({ kind }) => kind);
    assert.deepEqual(await forgotten(), []);
    await remake(topic);
    assert.deepEqual(await forgotten(), ['agent']);
    await publish(log, 'new', 5);
    assert.deepEqual(await forgotten(), ['agent']);
    await assert.rejects(read(log, 1, { kinds }), {
      code: 'gap',
      message: /forgotten\.agents, partition 0: the group has read this topic.*deleted and made again/,
    });
    const accepted = await read(log, 5, { kinds, acceptGap: true, commit: true });
    assert.equal(accepted[0]?.key, 'new 0');
    assert.deepEqual(await forgotten(), []);
    await publish(log, 'newer', 3);
    assert.equal((await read(log, 3, { kinds }))[0]?.key, 'newer 0');
  });

  it('says again where the group was when kafkajs has taken that back, so that the gap stands', async () => {
    const { log, prefix, topic } = await open('stands');
    for (let round = 0; round < 30; round++) await publish(log, `round ${round}`, 100);
    const { subscription } = await watched(prefix, 64 * 1024);
    const batches = subscription.batches(AbortSignal.timeout(PATIENCE_MS))[Symbol.asyncIterator]();
    const first = await batches.next();
    assert.ok(first.done !== true);
    await subscription.commit(first.value);
    const committed = first.value.records.length;
    await deleteBefore(topic, 2_900);
    await assert.rejects(
      (async () => {
        for (let next = await batches.next(); next.done !== true; next = await batches.next());
      })(),
      { code: 'gap' },
    );
    await subscription.close();
    const [position] = await log.positions(['agent'], 'g');
    assert.equal(position?.committed, committed);
    await assert.rejects(read(log, 1), {
      code: 'gap',
      message: new RegExp(`offsets ${committed} to 2899 are missing`),
    });
  });

  it('is seen within a look while the reader is blocked by a slow store', async () => {
    const { log, prefix, topic } = await open('blocked');
    for (let round = 0; round < 30; round++) await publish(log, `round ${round}`, 100);
    const { subscription, events } = await watched(prefix, 64 * 1024);
    const batches = subscription.batches(AbortSignal.timeout(PATIENCE_MS))[Symbol.asyncIterator]();
    await batches.next();
    await delay(1_000);
    assert.ok(!events.some(({ type }) => type !== 'rebalanced' && type !== 'fetched'));
    await deleteBefore(topic, 2_900);
    await eventually(() => {
      const gap = events.find((event) => event.type === 'gap');
      assert.match(gap?.message ?? '', /blocked\.agents, partition 0: offsets \d+ to 2899 are missing/);
    });
    await assert.rejects(batches.next(), { code: 'gap' });
  });

  it('is seen by a reader that waits for something new, when its topic is made again', async () => {
    const { log, prefix, topic } = await open('remade');
    await publish(log, 'old', 20);
    const { subscription } = await watched(prefix);
    const batches = subscription.batches(AbortSignal.timeout(PATIENCE_MS))[Symbol.asyncIterator]();
    const first = await batches.next();
    assert.ok(first.done !== true);
    await subscription.commit(first.value);
    const next = batches.next();
    next.catch(() => {});
    await remake(topic);
    await publish(log, 'new', 50);
    // When it looks in the moment between, there is no such topic.
    await assert.rejects(next, ({ code }: { code: string }) => code === 'gap' || code === 'mismatch');
  });

  it('leaves a reader alone that reads its last record again and finds it the same', async () => {
    const { log, prefix } = await open('same');
    const { subscription, events } = await watched(prefix, undefined, 1_000);
    const seen: LogRecord[] = [];
    const reading = (async () => {
      for await (const batch of subscription.batches(AbortSignal.timeout(PATIENCE_MS))) {
        seen.push(...batch.records);
        await subscription.commit(batch);
        if (seen.length >= 40 * 25) break;
      }
    })();
    for (let round = 0; round < 40; round++) {
      await publish(log, `round ${round}`, 25);
      await delay(round % 10 === 9 ? 700 : 40);
    }
    await reading;
    assert.deepEqual(
      [...new Set(seen.map(({ offset }) => offset))],
      Array.from({ length: 40 * 25 }, (_, index) => index),
    );
    const found = events.filter(
      ({ type }) => type === 'gap' || type === 'watchdog' || type === 'lease-expired',
    );
    assert.deepEqual(found, []);
  });

  it('tells a reader within a look that its topic has got another partition count', async () => {
    const { log, prefix, topic } = await open('partitions');
    await publish(log, 'old', 1);
    const { subscription } = await watched(prefix);
    const batches = subscription.batches(AbortSignal.timeout(PATIENCE_MS))[Symbol.asyncIterator]();
    await batches.next();
    await withAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] }));
    await assert.rejects(batches.next(), {
      code: 'mismatch',
      message: /partitions\.agents has 3 partitions/,
    });
  });
});

function policy(version: number) {
  return upsert('policy', sampleEntity('policy', { name: 'p' }), version);
}

async function publish(log: Log, name: string, count: number): Promise<void> {
  const publisher = await log.publisher();
  const ids = Array.from({ length: count }, (_, index) => `${name} ${index}`);
  await publisher.publish(ids.map((id) => upsert('agent', sampleEntity('agent', { name: id }), 1)));
  await publisher.close();
}

interface ReadOptions extends Partial<SubscribeOptions> {
  readonly commit?: boolean;
}

async function read(
  log: Log,
  count: number,
  { commit = false, kinds = ['agent'], ...options }: ReadOptions = {},
): Promise<readonly LogRecord[]> {
  const reader = await log.subscribe({ group: 'g', kinds, ...options });
  const records: LogRecord[] = [];
  try {
    for await (const batch of reader.batches(AbortSignal.timeout(PATIENCE_MS))) {
      records.push(...batch.records);
      if (commit) await reader.commit(batch);
      if (records.length >= count) break;
    }
  } finally {
    await reader.close();
  }
  return records;
}

/** Deletes the topic and makes it again, as an operator would. */
async function remake(topic: string): Promise<void> {
  await withAdmin((admin) => admin.deleteTopics({ topics: [topic] }));
  // Longer than a fetch waits: what comes and goes within one, kafkajs does not see.
  await delay(1_000);
  await eventually(() =>
    withAdmin((admin) => admin.createTopics({ topics: [{ topic, numPartitions: 1 }] })).then(() => {}),
  );
}

async function deleteBefore(topic: string, offset: number): Promise<void> {
  await withAdmin(async (admin) => {
    // kafkajs has to know the topic first.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: `${offset}` }] });
  });
}

interface CommittedText {
  readonly offset: string;
  readonly metadata: string | null;
}

async function committedIn(prefix: string, topic: string): Promise<CommittedText> {
  const answers = await withAdmin((admin) => admin.fetchOffsets({ groupId: `${prefix}.g`, topics: [topic] }));
  const found = answers[0]?.partitions[0];
  assert.ok(found);
  return found;
}

async function commitAs(prefix: string, topic: string, committed: CommittedText): Promise<void> {
  const consumer = kafka.consumer({ groupId: `${prefix}.g`, sessionTimeout: 6_000, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const joined = new Promise((resolve) => consumer.on(consumer.events.FETCH, resolve));
  await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: async () => {} });
  await joined;
  await consumer.commitOffsets([{ topic, partition: 0, ...committed }]);
  await consumer.disconnect();
}

async function withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

const eventually = (check: () => void | Promise<void>): Promise<void> => eventuallyWithin(check, PATIENCE_MS);
