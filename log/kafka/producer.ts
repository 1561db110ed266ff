import type { Kafka, Producer } from 'kafkajs';
import type { Clock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { within } from './deadline.ts';
import { kafkaError } from './errors.ts';
import type { LaneMessage, LaneProducer } from './lane.ts';

export interface LaneProducerOptions {
  readonly address: string;
  readonly closeTimeoutMs: number;
  readonly clock: Clock;
}

/** kafkajs insists on one retry for an idempotent producer; the rest is the lane's. */
const RETRY = { initialRetryTime: 50, maxRetryTime: 500, retries: 1 } as const;
const ALL_IN_SYNC_REPLICAS = -1;

export async function openLaneProducer(client: Kafka, options: LaneProducerOptions): Promise<LaneProducer> {
  const { address, closeTimeoutMs, clock } = options;
  const producer = client.producer({
    idempotent: true,
    allowAutoTopicCreation: false,
    retry: RETRY,
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
  });
  const close = (): Promise<void> =>
    within({ clock, ms: closeTimeoutMs }, producer.disconnect(), () => {}).catch(() => {});
  try {
    await producer.connect();
  } catch (error) {
    close().catch(() => {});
    throw kafkaError(error, 'open a producer', address);
  }
  return {
    close,
    async send(topic, partition, messages) {
      try {
        await send(producer, topic, partition, messages);
      } catch (error) {
        throw kafkaError(error, `publish to ${topic}`, address);
      }
    },
  };
}

async function send(
  producer: Producer,
  topic: string,
  partition: number,
  messages: readonly LaneMessage[],
): Promise<void> {
  // kafkajs does not change the list; copying it would cost more than it protects.
  const sent = messages as LaneMessage[];
  const answers = await producer.send({ topic, acks: ALL_IN_SYNC_REPLICAS, messages: sent });
  if (answers.some((answer) => answer.topicName === topic && answer.partition === partition)) return;
  // When kafkajs does not find the partition in what it knows of the topic, it sends nothing and reports success.
  throw new ChangeoverError(
    'mismatch',
    `Topic ${topic} has no partition ${partition}, so nothing was written.`,
    {
      hint: 'Was the topic recreated with fewer partitions? Set kafka.partitions to the count that it has.',
    },
  );
}
