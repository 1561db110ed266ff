import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../core/clock.ts';
import type { Clients } from '../../log/kafka/client.ts';
import { StuckSend } from '../../log/kafka/lane-producer.ts';
import { openLaneProducer } from '../../log/kafka/producer.ts';
import { fastClock } from './fake-broker.ts';

interface Answer {
  readonly topicName: string;
  readonly partition: number;
}

/** kafkajs' producer as far as a lane uses it, and what was done to its connections. */
function fakeClients(send: () => Promise<readonly Answer[]>, clock = systemClock, onBreak = (): void => {}) {
  const done: string[] = [];
  const sockets = {
    break: () => {
      done.push('break');
      onBreak();
    },
    fence: () => done.push('fence'),
  };
  const client = { connected: { send }, sockets, close: async () => {} };
  const clients = { address: 'b:9092', clock, requestTimeoutMs: 1_000, connect: async () => client };
  return { clients: clients as unknown as Clients, done };
}

const messages = [{ key: Buffer.from('k'), value: null, partition: 3 }];

describe("a lane's producer on kafkajs", () => {
  it('is satisfied when the partition was acknowledged', async () => {
    const { clients, done } = fakeClients(async () => [{ topicName: 't', partition: 3 }]);
    const producer = await openLaneProducer(clients);
    await producer.send('t', 3, messages);
    assert.deepEqual(done, []);
  });

  it('does not take an empty success for one: kafkajs reports it for a partition that it does not find', async () => {
    for (const answers of [[], [{ topicName: 't', partition: 2 }], [{ topicName: 'u', partition: 3 }]]) {
      const producer = await openLaneProducer(fakeClients(async () => answers).clients);
      await assert.rejects(producer.send('t', 3, messages), { code: 'mismatch', retryable: false });
    }
  });

  it('breaks the connections of a send that takes too long, and reports what becomes of it', async () => {
    const { promise, reject } = Promise.withResolvers<readonly Answer[]>();
    const broken = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
    const { clients, done } = fakeClients(
      () => promise,
      fastClock(),
      () => reject(broken),
    );
    const producer = await openLaneProducer(clients);
    await assert.rejects(producer.send('t', 3, messages), { code: 'unreachable', retryable: true });
    assert.deepEqual(done, ['break']);
  });

  it('cuts a send that never ends off from the network before it says so', async () => {
    const { clients, done } = fakeClients(() => new Promise(() => {}), fastClock());
    const producer = await openLaneProducer(clients);
    await assert.rejects(
      producer.send('t', 3, messages),
      (error) => error instanceof StuckSend && error.retryable,
    );
    assert.deepEqual(done, ['break', 'fence']);
  });
});
