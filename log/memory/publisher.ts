import type { Clock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Codec } from '../../schemas/codec.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { encodeChange } from '../encode-change.ts';
import type { Publisher } from '../log.ts';
import { partitionOf } from '../partition.ts';
import type { MemoryBroker, MemoryTopic } from './broker.ts';

export interface MemoryPublisherOptions {
  readonly broker: MemoryBroker;
  readonly topics: ReadonlyMap<Kind, MemoryTopic>;
  readonly partitions: number;
  readonly maxChangeBytes: number;
  readonly codec: Codec;
  readonly clock: Pick<Clock, 'nowUs'>;
}

export function openMemoryPublisher(options: MemoryPublisherOptions): Publisher {
  const { broker, topics, partitions, maxChangeBytes, codec, clock } = options;
  let closed = false;
  return {
    async publish(changes) {
      if (closed) throw new ChangeoverError('aborted', 'The publisher is closed.');
      const encoded = changes.map((change) => encodeChange(codec, change, maxChangeBytes));
      const timestampMs = Math.trunc(clock.nowUs() / 1000);
      for (const [index, { key, value }] of encoded.entries()) {
        const topic = topics.get(changes[index]?.kind ?? 'agent') ?? [];
        broker.append(topic, partitionOf(key, partitions), { key, value, timestampMs });
      }
    },
    async ready() {},
    async close() {
      closed = true;
    },
  };
}
