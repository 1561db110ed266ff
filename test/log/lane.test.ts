import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { ChangeoverError } from '../../core/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import { Lane, type LaneOptions, MAX_BATCH_RECORDS } from '../../log/kafka/lane.ts';
import type { LaneProducer } from '../../log/kafka/lane-producer.ts';
import { FakeBroker, type Fate, fastClock, openFakeProducer } from './fake-broker.ts';

function openLane(broker: FakeBroker, options: Partial<LaneOptions> = {}): Lane {
  return new Lane({
    openProducer: async () => openFakeProducer(broker),
    maxBatchBytes: 1_000_000,
    deliveryTimeoutMs: 1e9,
    clock: fastClock(),
    logger: silentLogger,
    ...options,
  });
}

/** Publishes one message of that partition, named by the text. */
function put(lane: Lane, text: string, partition = 0, bytes = 10): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  lane.enqueue({
    topic: 't',
    partition,
    messages: [{ key: Buffer.from(text), value: null, partition }],
    bytes,
    settle: (error) => (error === undefined ? resolve() : reject(error)),
  });
  return promise;
}

const passing = fc.constantFrom<Fate>('written', 'never arrived', 'answer lost', 'arrived late');

describe('a lane', () => {
  it('writes everything once and in order, whatever passing failures meet it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(passing, { maxLength: 60 }),
        fc.array(fc.tuple(fc.nat({ max: 2 }), fc.boolean()), { minLength: 1, maxLength: 40 }),
        async (fates, calls) => {
          const broker = new FakeBroker(fates);
          const lane = openLane(broker);
          const expected = new Map<string, string[]>();
          const puts: Promise<void>[] = [];
          for (const [index, [partition, pause]] of calls.entries()) {
            const place = `t/${partition}`;
            expected.set(place, [...(expected.get(place) ?? []), `${index}`]);
            puts.push(put(lane, `${index}`, partition));
            if (pause) await turn();
          }
          await Promise.all(puts);
          await lane.close();
          assert.deepEqual(broker.written, expected);
          assert.equal(broker.producers, 1);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('never has two outstanding sends', async () => {
    const broker = new FakeBroker(['answer lost', 'never arrived', 'written', 'arrived late']);
    const lane = openLane(broker);
    const puts = Array.from({ length: 50 }, (_, index) => put(lane, `${index}`, index % 5));
    for (let count = 0; count < 20; count++) {
      puts.push(put(lane, `more ${count}`, count % 5));
      await turn();
    }
    await Promise.all(puts);
    assert.ok(broker.sent.length > 5);
    assert.equal(broker.mostOutstanding, 1);
  });

  it('loses nothing that it confirmed, and keeps its order, also when batches are refused', async () => {
    const fates = fc.constantFrom<Fate>('written', 'never arrived', 'answer lost', 'refused', 'stuck');
    await fc.assert(
      fc.asyncProperty(fc.array(fates, { maxLength: 40 }), async (outcomes) => {
        const broker = new FakeBroker(outcomes);
        const lane = openLane(broker);
        const confirmed: string[] = [];
        const puts = Array.from({ length: 40 }, async (_, index) => {
          for (let wait = 0; wait < index / 3; wait++) await turn();
          await put(lane, `${index}`).then(
            () => confirmed.push(`${index}`),
            () => {},
          );
        });
        await Promise.all(puts);
        await lane.close();
        const written = broker.written.get('t/0') ?? [];
        // The last copy of each: a stuck send may have been doubled.
        const inLog = written.filter((text, index) => written.indexOf(text, index + 1) < 0);
        assert.deepEqual(
          inLog.filter((text) => confirmed.includes(text)),
          confirmed,
        );
      }),
      { numRuns: 200 },
    );
  });

  it('gives up everything that waits behind a refused batch, changes the producer and goes on', async () => {
    const broker = new FakeBroker(['refused']);
    const lane = openLane(broker, { maxBatchBytes: 10 });
    const puts = await Promise.allSettled(['a', 'b', 'c'].map((text) => put(lane, text)));
    assert.deepEqual(
      puts.map(({ status }) => status),
      ['rejected', 'rejected', 'rejected'],
    );
    await put(lane, 'd');
    assert.deepEqual(broker.written.get('t/0'), ['d']);
    assert.deepEqual([broker.producers, broker.closed], [2, 1]);
  });

  it('gives up after the delivery timeout with the failure that it met', async () => {
    const broker = new FakeBroker(Array.from({ length: 1_000 }, () => 'never arrived' as const));
    const lane = openLane(broker, { deliveryTimeoutMs: 10_000 });
    await assert.rejects(put(lane, 'a'), { code: 'unreachable', message: 'the connection broke' });
    assert.ok(broker.sent.length > 5);
  });

  it('repeats a send that never ends with a new producer', async () => {
    const broker = new FakeBroker(['written', 'stuck']);
    const lane = openLane(broker);
    await put(lane, 'a');
    await put(lane, 'b');
    assert.deepEqual(broker.written.get('t/0'), ['a', 'b']);
    assert.deepEqual([broker.producers, broker.closed], [2, 1]);
  });

  it('changes the producer before its numbers run over, never between two attempts of a batch', async () => {
    const broker = new FakeBroker(['written', 'answer lost', 'written', 'answer lost', 'answer lost']);
    const lane = openLane(broker, { recordsPerProducer: 2 });
    for (const text of ['a', 'b', 'c', 'd', 'e']) await put(lane, text);
    assert.deepEqual(broker.written.get('t/0'), ['a', 'b', 'c', 'd', 'e']);
    assert.equal(broker.producers, 3);
  });

  it('sends together what has arrived meanwhile, within its bounds', async () => {
    const broker = new FakeBroker();
    const lane = openLane(broker, { maxBatchBytes: 100 });
    await Promise.all(Array.from({ length: 25 }, (_, index) => put(lane, `${index}`)));
    assert.deepEqual(
      broker.sent.map(({ messages }) => messages.length),
      [10, 10, 5],
    );
    const many = openLane(broker);
    broker.sent.length = 0;
    await Promise.all(Array.from({ length: MAX_BATCH_RECORDS + 1 }, (_, index) => put(many, `${index}`)));
    assert.deepEqual(
      broker.sent.map(({ messages }) => messages.length),
      [MAX_BATCH_RECORDS, 1],
    );
  });

  it('takes turns among partitions, so that a busy one does not hold up the others', async () => {
    const broker = new FakeBroker();
    const lane = openLane(broker, { maxBatchBytes: 10 });
    const busy = Array.from({ length: 10 }, (_, index) => put(lane, `busy ${index}`, 0));
    await Promise.all([...busy, put(lane, 'quiet', 1)]);
    const place = broker.sent.findIndex((batch) => batch.place === 't/1');
    assert.ok(place >= 0 && place <= 1, `the quiet partition came at place ${place}`);
  });

  it('rejects everything when it is abandoned, also what is being sent, and what comes later', async () => {
    const held = Promise.withResolvers<void>();
    let closed = 0;
    const producer: LaneProducer = {
      send: () => held.promise,
      close: async () => {
        closed += 1;
      },
    };
    const lane = openLane(new FakeBroker(), { openProducer: async () => producer });
    const puts = [put(lane, 'a'), put(lane, 'b', 1)];
    await turn();
    lane.abandon(new ChangeoverError('aborted', 'enough'));
    for (const late of [...puts, put(lane, 'c')]) await assert.rejects(late, { message: 'enough' });
    await lane.close();
    assert.equal(closed, 1);
    held.resolve();
  });

  it('sends nothing over a connection that is made after it was abandoned', async () => {
    const broker = new FakeBroker();
    const connected = Promise.withResolvers<void>();
    const lane = openLane(broker, {
      openProducer: async () => {
        await connected.promise;
        return openFakeProducer(broker);
      },
    });
    const late = put(lane, 'a');
    await turn();
    lane.abandon(new ChangeoverError('aborted', 'enough'));
    await assert.rejects(late, { message: 'enough' });
    connected.resolve();
    await lane.close();
    await turn();
    assert.deepEqual([broker.sent.length, broker.closed], [0, 1]);
  });
});
