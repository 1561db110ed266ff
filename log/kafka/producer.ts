import type { Producer } from 'kafkajs';
import { ChangeoverError } from '../../core/errors.ts';
import type { Clients } from './client.ts';
import { within } from './deadline.ts';
import { kafkaError } from './errors.ts';
import { type LaneMessage, type LaneProducer, StuckSend } from './lane-producer.ts';

/** kafkajs insists on one retry for an idempotent producer; the rest is the lane's. */
const RETRY = { initialRetryTime: 50, maxRetryTime: 500, retries: 1 } as const;
const ALL_IN_SYNC_REPLICAS = -1;
/** A broker may use the whole request timeout; what takes longer has been forgotten. */
const PATIENCE_MS = 5_000;
/** For kafkajs to notice that its connections are gone, and to try once more over new ones. */
const RECOVERY_MS = 30_000;

export async function openLaneProducer(clients: Clients): Promise<LaneProducer> {
  const { address, clock, requestTimeoutMs } = clients;
  const { connected, sockets, close } = await clients.connect('open a producer', (kafka) =>
    kafka.producer({
      idempotent: true,
      allowAutoTopicCreation: false,
      retry: RETRY,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
    }),
  );
  return {
    close,
    async send(topic, partition, messages) {
      const sending = send(connected, topic, partition, messages);
      try {
        await within({ clock, ms: requestTimeoutMs + PATIENCE_MS }, sending, () => sockets.break());
        await within({ clock, ms: RECOVERY_MS }, sending, () => {
          sockets.fence();
          throw new StuckSend(`Publishing to ${topic} neither succeeds nor fails (${address}).`);
        });
      } catch (error) {
        throw kafkaError(error, `publish to ${topic}`, address);
      }
    },
  };
}

/**
 * kafkajs parts the messages of a send by partition with `reduce`, and copies the list once per message on the way
 * (producer/groupMessagesPerPartition). All of ours are of one partition, so this list answers at once.
 */
function groupedAlready(partition: number, messages: readonly LaneMessage[]): LaneMessage[] {
  const list = [...messages];
  return Object.defineProperty(list, 'reduce', { value: () => ({ [partition]: list }) });
}

async function send(
  producer: Producer,
  topic: string,
  partition: number,
  messages: readonly LaneMessage[],
): Promise<void> {
  const sent = groupedAlready(partition, messages);
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
