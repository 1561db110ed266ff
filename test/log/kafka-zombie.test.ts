import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Log, lagOf, type SubscriptionEvent } from '../../log/log.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { eventually as eventuallyWithin } from '../support/eventually.ts';
import { openTestLog } from '../support/kafka-log.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { testStack } from '../support/stack.ts';
import { openKafkaProxy } from '../support/tcp-proxy.ts';

const [broker = ''] = testStack().kafka.brokers;
/** The shortest that brokers allow by default. */
const SESSION_TIMEOUT_MS = 6_000;
const PATIENCE_MS = 40_000;

describe('a consumer that was away from its group', { concurrency: false }, () => {
  const family = `t-${randomUUID().slice(0, 8)}`;
  const cleanUp: (() => Promise<unknown>)[] = [];
  after(async () => {
    for (const step of cleanUp.toReversed()) await step();
    await dropTopics(broker, family);
  });

  async function open(prefix: string, address = broker): Promise<Log> {
    const options = { brokers: [address], partitions: 1, sessionTimeoutMs: SESSION_TIMEOUT_MS };
    const log = await openTestLog(prefix, options);
    cleanUp.push(() => log.close());
    return log;
  }

  it('applies nothing when it was stopped past its session and wakes up, while another has taken over', async () => {
    const prefix = `${family}-zombie`;
    const log = await open(prefix);
    await log.prepare();
    await publish(log, 30);
    const program = new URL('./zombie-reader.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [program, broker, prefix, `${SESSION_TIMEOUT_MS}`]);
    cleanUp.push(async () => child.kill('SIGKILL'));
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    await eventually(() => assert.ok(lines.filter((line) => line === 'would apply').length > 10));

    child.kill('SIGSTOP');
    const subscription = await log.subscribe({ group: 'g', kinds: ['agent'] });
    let taken = 0;
    for await (const batch of subscription.batches(AbortSignal.timeout(PATIENCE_MS))) {
      taken += batch.records.length;
      await subscription.commit(batch);
      if (taken >= 30) break;
    }
    assert.equal(taken, 30, 'the other has taken over');
    await delay(200);
    const before = lines.length;

    child.kill('SIGCONT');
    await eventually(() => assert.ok(lines.length > before + 2));
    // The very first thing that it does with what it held is to put it aside; and it joins again.
    assert.deepEqual(lines.slice(before, before + 2), ['lease-expired', 'put aside']);
    await eventually(() => assert.ok(lines.slice(before).includes('rebalanced')));
    assert.ok(!lines.slice(before).includes('would apply'));
    assert.equal((await log.positions(['agent'], 'g')).map(lagOf)[0], 0, 'nothing was taken back');
    await subscription.close();
  });

  it('is built anew when the broker falls silent, and misses nothing', async () => {
    const proxy = await openKafkaProxy(broker);
    cleanUp.push(() => proxy.close());
    const prefix = `${family}-silent`;
    const direct = await open(prefix);
    await direct.prepare();
    await publish(direct, 30);
    const events: SubscriptionEvent[] = [];
    const offsets: number[] = [];
    const log = await open(prefix, proxy.address);
    const subscription = await log.subscribe({
      group: 'g',
      kinds: ['agent'],
      onEvent: (event) => events.push(event),
    });
    const reading = (async () => {
      for await (const batch of subscription.batches(AbortSignal.timeout(PATIENCE_MS))) {
        offsets.push(...batch.records.map(({ offset }) => offset));
        await subscription.commit(batch);
        if (offsets.includes(59)) break;
      }
    })();
    await eventually(() => assert.equal(offsets.length, 30));
    proxy.stall();
    await publish(direct, 30);
    await eventually(() => assert.ok(events.some(({ type }) => type === 'lease-expired')));
    proxy.reset();
    proxy.restore();
    await reading;
    assert.deepEqual(
      [...new Set(offsets)],
      Array.from({ length: 60 }, (_, index) => index),
    );
    await subscription.close();
  });

  it('is built anew when the clock is set back: kafkajs then sends no heartbeat for as long', async (t) => {
    const prefix = `${family}-clock`;
    const log = await open(prefix);
    await log.prepare();
    await publish(log, 10);
    const events: SubscriptionEvent[] = [];
    const subscription = await log.subscribe({
      group: 'g',
      kinds: ['agent'],
      onEvent: (event) => events.push(event),
    });
    const batches = subscription.batches(AbortSignal.timeout(PATIENCE_MS))[Symbol.asyncIterator]();
    await batches.next();
    const now = Date.now;
    t.mock.method(Date, 'now', () => now() - 3_600_000);
    await eventually(() => assert.ok(events.some(({ type }) => type === 'lease-expired')));
    await eventually(() => assert.equal(events.filter(({ type }) => type === 'rebalanced').length, 2));
    const again = await batches.next();
    assert.ok(again.done !== true && subscription.isCurrent(again.value));
    await delay(SESSION_TIMEOUT_MS * 1.2);
    assert.ok(subscription.isCurrent(again.value), 'it is a member again, and stays one');
    await subscription.close();
  });
});

async function publish(log: Log, count: number): Promise<void> {
  const publisher = await log.publisher();
  const ids = Array.from({ length: count }, (_, index) => `agent ${index}`);
  await publisher.publish(ids.map((id) => upsert('agent', sampleEntity('agent', { name: id }), 1)));
  await publisher.close();
}

const eventually = (check: () => void): Promise<void> => eventuallyWithin(check, PATIENCE_MS);
