import { randomUUID } from 'node:crypto';
import { type Consumer, Kafka, logLevel, type Producer } from 'kafkajs';
import { KINDS, type Kind, topicOf } from '../../schemas/kinds.ts';
import { below, type Random } from '../../society/generator/random.ts';
import { MEDDLED_HEADER } from '../live/read-log.ts';

interface Stored {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly partition: number;
}

/** Puts things into the log that no producer of ours would, marked so that the oracle knows them. */
export interface LogMeddler {
  /** Records that are in the topic already, again, in whatever order. */
  again(kind: Kind, pick: (stored: readonly Stored[], random: Random) => readonly Stored[]): Promise<number>;
  poison(kind: Kind, key: string, value: Buffer | null): Promise<void>;
  /** Back to the beginning of everything, of a group that nobody is in. */
  rewind(group: string, kinds: readonly Kind[]): Promise<void>;
  close(): Promise<void>;
}

export async function openLogMeddler(
  brokers: readonly string[],
  prefix: string,
  random: Random,
): Promise<LogMeddler> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const [admin, producer] = [kafka.admin(), kafka.producer()];
  await Promise.all([admin.connect(), producer.connect()]);
  return {
    async again(kind, pick) {
      const topic = topicOf(prefix, kind);
      const chosen = pick(await readAll(kafka, topic), random);
      await send(
        producer,
        topic,
        chosen.map(({ key, value, partition }) => ({ key, value, partition })),
      );
      return chosen.length;
    },
    poison: (kind, key, value) =>
      send(producer, topicOf(prefix, kind), [{ key: Buffer.from(key), value, partition: 0 }]),
    rewind: (group, kinds) =>
      rewind(
        kafka,
        `${prefix}.${group}`,
        kinds.map((kind) => topicOf(prefix, kind)),
      ),
    async close() {
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    },
  };
}

async function send(
  producer: Producer,
  topic: string,
  messages: readonly { readonly key: Buffer; readonly value: Buffer | null; readonly partition: number }[],
): Promise<void> {
  await producer.send({
    topic,
    messages: messages.map((message) => ({ ...message, headers: { [MEDDLED_HEADER]: '1' } })),
  });
}

/** As a member that commits the beginnings: kafkajs' own setOffsets joins for each topic, and leaves a timer behind. */
async function rewind(kafka: Kafka, groupId: string, topics: readonly string[]): Promise<void> {
  const [admin, consumer] = [kafka.admin(), kafka.consumer({ groupId, maxWaitTimeInMs: 100 })];
  await Promise.all([admin.connect(), consumer.connect()]);
  try {
    const joined = joining(consumer);
    await consumer.subscribe({ topics: [...topics] });
    await consumer.run({ autoCommit: false, eachBatch: async () => {} });
    await joined;
    for (const topic of topics) {
      const beginnings = await admin.fetchTopicOffsets(topic);
      await consumer.commitOffsets(
        beginnings.map(({ partition, low }) => ({ topic, partition, offset: low })),
      );
    }
  } finally {
    await consumer.disconnect();
    await admin.disconnect();
  }
}

function joining(consumer: Consumer): Promise<void> {
  return new Promise((resolve) => {
    const remove = consumer.on(consumer.events.GROUP_JOIN, () => {
      remove();
      resolve();
    });
  });
}

async function readAll(kafka: Kafka, topic: string): Promise<readonly Stored[]> {
  const groupId = `meddler-${randomUUID()}`;
  const [admin, consumer] = [kafka.admin(), kafka.consumer({ groupId, maxWaitTimeInMs: 100 })];
  await Promise.all([admin.connect(), consumer.connect()]);
  try {
    const ends = new Map<number, number>();
    for (const { partition, low, high } of await admin.fetchTopicOffsets(topic))
      if (Number(high) > Number(low)) ends.set(partition, Number(high));
    if (ends.size === 0) return [];
    const stored: Stored[] = [];
    const { promise: done, resolve } = Promise.withResolvers<void>();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch: { partition, messages } }) => {
        for (const { key, value, headers } of messages)
          if (key !== null && value !== null && headers?.[MEDDLED_HEADER] === undefined)
            stored.push({ key, value, partition });
        if (Number(messages.at(-1)?.offset ?? -1) + 1 >= (ends.get(partition) ?? 0)) ends.delete(partition);
        if (ends.size === 0) resolve();
      },
    });
    await done;
    return stored;
  } finally {
    await consumer.disconnect();
    await admin.deleteGroups([groupId]).catch(() => {});
    await admin.disconnect();
  }
}

/** Some of them, in an order of their own. */
export function shuffledSome<T>(items: readonly T[], most: number, random: Random): readonly T[] {
  const left = [...items];
  return Array.from({ length: Math.min(most, items.length) }, () =>
    left.splice(below(random, left.length), 1),
  ).flat();
}

export const ALL_KINDS: readonly Kind[] = KINDS;
