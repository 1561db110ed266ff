import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { type LaneMessage, type LaneProducer, StuckSend } from '../../log/kafka/lane-producer.ts';

/** What becomes of one send. */
export type Fate =
  | 'written'
  /** Lost on its way: the producer sees the connection break. */
  | 'never arrived'
  /** Written, but the answer is lost. */
  | 'answer lost'
  /** The producer sees the connection break; the request arrives while a later one is being answered. */
  | 'arrived late'
  | 'refused'
  | 'stuck';

export interface SentBatch {
  readonly producer: number;
  readonly place: string;
  readonly first: number;
  readonly messages: readonly LaneMessage[];
}

/** As brokers behave: a batch is known by its producer and numbers; the numbers of a producer have no gap. */
export class FakeBroker {
  readonly sent: SentBatch[] = [];
  readonly written = new Map<string, string[]>();
  mostOutstanding = 0;
  producers = 0;
  closed = 0;
  outstanding = 0;
  readonly #fates: Iterator<Fate>;
  readonly #batches = new Map<string, { readonly first: number; readonly count: number }[]>();
  #late: SentBatch[] = [];

  constructor(fates: Iterable<Fate> = []) {
    this.#fates = fates[Symbol.iterator]();
  }

  nextFate(): Fate {
    const next = this.#fates.next();
    return next.done === true ? 'written' : next.value;
  }

  receiveLater(batch: SentBatch): void {
    this.#late.push(batch);
  }

  receive(batch: SentBatch): void {
    this.#append(batch);
    const late = this.#late;
    this.#late = [];
    for (const other of late) {
      try {
        this.#append(other);
      } catch {
        // Refused, and nobody is there to hear it.
      }
    }
  }

  #append({ producer, place, first, messages }: SentBatch): void {
    const id = `${producer} ${place}`;
    const known = this.#batches.get(id) ?? [];
    const count = messages.length;
    if (known.slice(-5).some((batch) => batch.first === first && batch.count === count)) return;
    const last = known.at(-1);
    if (last !== undefined && first !== last.first + last.count)
      throw new ChangeoverError('internal', 'out of order');
    this.#batches.set(id, [...known, { first, count }]);
    const log = this.written.get(place) ?? [];
    log.push(...messages.map(({ key }) => key.toString()));
    this.written.set(place, log);
  }
}

/** As kafkajs behaves: numbers are taken when sending, and given back when the send fails. */
export function openFakeProducer(broker: FakeBroker): LaneProducer {
  const producer = ++broker.producers;
  const next = new Map<string, number>();
  return {
    async send(topic, partition, messages) {
      const place = `${topic}/${partition}`;
      const first = next.get(place) ?? 0;
      next.set(place, first + messages.length);
      const batch = { producer, place, first, messages };
      broker.sent.push(batch);
      broker.outstanding += 1;
      broker.mostOutstanding = Math.max(broker.mostOutstanding, broker.outstanding);
      try {
        await turn();
        await meet(broker.nextFate(), batch, broker);
      } catch (error) {
        next.set(place, first);
        throw error;
      } finally {
        broker.outstanding -= 1;
      }
    },
    async close() {
      broker.closed += 1;
    },
  };
}

async function meet(fate: Fate, batch: SentBatch, broker: FakeBroker): Promise<void> {
  const broken = new ChangeoverError('unreachable', 'the connection broke');
  switch (fate) {
    case 'written':
      broker.receive(batch);
      return;
    case 'never arrived':
      throw broken;
    case 'answer lost':
      broker.receive(batch);
      throw broken;
    case 'arrived late':
      broker.receiveLater(batch);
      throw broken;
    case 'refused':
      throw new ChangeoverError('forbidden', 'not allowed');
    case 'stuck':
      throw new StuckSend('no end in sight');
    default:
      fate satisfies never;
  }
}

/** Sleeps take no time, but are counted. */
export function fastClock(): Clock {
  let nowMs = 0;
  return {
    nowUs: () => nowMs * 1000,
    elapsedMs: () => nowMs,
    sleep: async (ms, signal) => {
      await turn();
      signal?.throwIfAborted();
      nowMs += ms;
    },
  };
}
