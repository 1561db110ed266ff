import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel, type Producer } from 'kafkajs';
import { type Log, lagOf } from '../../log/log.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { eventually } from '../support/eventually.ts';
import { openTestLog } from '../support/kafka-log.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { testStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { openSubscription } from './open-subscription.ts';

const [broker = ''] = testStack().kafka.brokers;
const PATIENCE_MS = 20_000;
const LOOK_EVERY_MS = 300;

/** Of a subscription that reads on and commits, for as long as it is open. */
interface Reader {
  readonly keys: readonly string[];
  readonly troubles: () => readonly string[];
  close(): Promise<void>;
}

describe('another program that writes transactions into a topic of changes', { concurrency: false }, () => {
  const family = `t-${randomUUID().slice(0, 8)}`;
  const cleanUp: (() => Promise<unknown>)[] = [];
  let foreign: Producer;

  before(async () => {
    const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
    foreign = kafka.producer({ transactionalId: family, idempotent: true, maxInFlightRequests: 1 });
    await foreign.connect();
    cleanUp.push(() => foreign.disconnect());
  });
  after(async () => {
    for (const step of cleanUp.toReversed()) await step();
    await dropTopics(broker, family);
  });

  async function open(name: string) {
    const prefix = `${family}-${name}`;
    const options = { brokers: [broker], partitions: 1, sessionTimeoutMs: 6_000 };
    const log = await openTestLog(prefix, options);
    cleanUp.push(() => log.close());
    await log.prepare();
    return { log, topic: `${prefix}.agents`, follow: () => follow(prefix) };
  }

  async function follow(prefix: string): Promise<Reader> {
    const { subscription, events, close } = await openSubscription({
      broker,
      prefix,
      group: 'g',
      partitions: 1,
      lookEveryMs: LOOK_EVERY_MS,
    });
    const keys: string[] = [];
    const failures: string[] = [];
    const reading = (async () => {
      for await (const batch of subscription.batches(AbortSignal.timeout(2 * PATIENCE_MS))) {
        keys.push(...batch.records.map(({ key }) => key));
        await subscription.commit(batch);
      }
    })().catch((error: unknown) => void failures.push(String(error)));
    const reader = {
      keys,
      troubles: () => [
        ...failures,
        ...events
          .filter(({ type }) => type !== 'rebalanced' && type !== 'fetched')
          .map((event) => JSON.stringify(event)),
      ],
      close: async () => {
        await close();
        await reading;
      },
    };
    cleanUp.push(reader.close);
    return reader;
  }

  async function transact(topic: string, end: 'commit' | 'abort', keys: readonly string[], value = 'x') {
    const transaction = await foreign.transaction();
    for (const key of keys) await transaction.send({ topic, messages: [{ key, value }] });
    await transaction[end]();
  }

  async function publish(log: Log, ...ids: readonly string[]): Promise<void> {
    const publisher = await log.publisher();
    await publisher.publish(ids.map((id) => upsert('agent', sampleEntity('agent', { name: id }), 1)));
    await publisher.close();
  }

  async function assertRead(reader: Reader, ...expected: readonly string[]): Promise<void> {
    await until(() => reader.keys.length >= expected.length || reader.troubles().length > 0, PATIENCE_MS);
    assert.deepEqual(reader.troubles(), []);
    assert.deepEqual(reader.keys, expected);
  }

  async function assertCaughtUp(log: Log): Promise<void> {
    await eventually(async () => {
      assert.deepEqual((await log.positions(['agent'], 'g')).map(lagOf), [0]);
    }, PATIENCE_MS);
  }

  it('is read on behind its marker, and the group is caught up there', async () => {
    const { log, topic, follow } = await open('committed');
    await publish(log, 'ours 1');
    const reader = await follow();
    await assertRead(reader, 'ours 1');
    await transact(topic, 'commit', ['theirs']);
    await assertRead(reader, 'ours 1', 'theirs');
    await assertCaughtUp(log);
    await publish(log, 'ours 2');
    await assertRead(reader, 'ours 1', 'theirs', 'ours 2');
    // The last record is read again at each look, and at each start.
    await delay(3 * LOOK_EVERY_MS);
    await transact(topic, 'commit', ['theirs again']);
    await assertRead(reader, 'ours 1', 'theirs', 'ours 2', 'theirs again');
    await delay(3 * LOOK_EVERY_MS);
    await reader.close();
    const next = await follow();
    await publish(log, 'ours 3');
    await assertRead(next, 'ours 3');
    await assertCaughtUp(log);
  });

  it('is read on behind what was rolled back', async () => {
    const { log, topic, follow } = await open('aborted');
    await publish(log, 'ours 1');
    const reader = await follow();
    await assertRead(reader, 'ours 1');
    await transact(topic, 'abort', ['never', 'was']);
    await delay(3 * LOOK_EVERY_MS);
    await publish(log, 'ours 2');
    await assertRead(reader, 'ours 1', 'ours 2');
    await reader.close();
    // What was rolled back and what is ours come in one fetch now.
    await transact(topic, 'abort', ['never', 'was']);
    await publish(log, 'ours 3');
    const next = await follow();
    await assertRead(next, 'ours 3');
    await assertCaughtUp(log);
  });

  it('leaves nothing to be caught up with where all that there is was rolled back', async () => {
    const { log, topic, follow } = await open('nothing');
    await transact(topic, 'abort', ['never']);
    const reader = await follow();
    await assertCaughtUp(log);
    await transact(topic, 'abort', ['was']);
    await assertCaughtUp(log);
    await publish(log, 'ours');
    await assertRead(reader, 'ours');
  });

  it('holds up what comes behind a transaction that is open, and nothing of it is passed over', async () => {
    const { log, topic, follow } = await open('open');
    await publish(log, 'ours 1');
    const reader = await follow();
    await assertRead(reader, 'ours 1');
    const transaction = await foreign.transaction();
    await transaction.send({ topic, messages: [{ key: 'theirs', value: 'x' }] });
    await publish(log, 'ours 2');
    await delay(4 * LOOK_EVERY_MS);
    assert.deepEqual(reader.keys, ['ours 1']);
    await transaction.commit();
    await until(() => reader.keys.length >= 3, PATIENCE_MS);
    assert.deepEqual(reader.keys, ['ours 1', 'theirs', 'ours 2']);
    // It is taken for a consumer that has stopped fetching, and built anew; but for no gap.
    assert.doesNotMatch(reader.troubles().join(), /gap/);
    await assertCaughtUp(log);
  });

  it('is read on behind a marker that a fetch brings alone', async () => {
    const { log, topic, follow } = await open('alone');
    // More than one fetch of the reader holds, so that the marker is left for the next.
    await transact(topic, 'commit', ['large'], 'x'.repeat(100_000));
    const reader = await follow();
    await assertRead(reader, 'large');
    await delay(3 * LOOK_EVERY_MS);
    await publish(log, 'ours');
    await assertRead(reader, 'large', 'ours');
    await assertCaughtUp(log);
  });
});
