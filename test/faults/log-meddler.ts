import { setTimeout as sleep } from 'node:timers/promises';
import { type Admin, type Consumer, Kafka, logLevel, type Producer } from 'kafkajs';
import { KINDS, type Kind, topicOf } from '../../schemas/kinds.ts';
import { below, type Random } from '../../society/generator/random.ts';
import { MEDDLED_HEADER } from '../live/read-log.ts';
import { readTopic, type Stored } from './read-topic.ts';

/** Puts things into the log that no producer of ours would, marked so that the oracle knows them, and takes others out. */
export interface LogMeddler {
  /** Records that are in the topic already, again, in whatever order. */
  again(kind: Kind, pick: (stored: readonly Stored[], random: Random) => readonly Stored[]): Promise<number>;
  /** A record that is a dead letter of every follower of the kind. */
  poison(kind: Kind, key: string, value: Buffer | null): Promise<void>;
  /** Where poison is: `topic partition offset`. */
  poisoned(kind: Kind): ReadonlySet<string>;
  /** Has the topic take records of this size. */
  takeUpTo(kind: Kind, bytes: number): Promise<void>;
  /** Back to the beginning of everything, of a group that nobody is in. */
  rewind(store: string, kinds: readonly Kind[]): Promise<void>;
  /** Everything that is in the topic now goes, as if its time had come. Answers how many records that were. */
  expire(kind: Kind): Promise<number>;
  /** Deletes the topic and makes it again, empty. */
  recreate(kind: Kind): Promise<void>;
  /** Records that are in the topics of these kinds now. */
  count(kinds: readonly Kind[]): Promise<number>;
  close(): Promise<void>;
}

/** The broker forgets a deleted topic in its own time. */
const FORGOTTEN_AFTER_MS = 500;

export async function openLogMeddler(
  brokers: readonly string[],
  prefix: string,
  random: Random,
): Promise<LogMeddler> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING, retry: { retries: 20 } });
  const [admin, producer] = [kafka.admin(), kafka.producer()];
  await Promise.all([admin.connect(), producer.connect()]);
  const topicFor = (kind: Kind): string => topicOf(prefix, kind);
  const poisoned = new Map<Kind, Set<string>>();
  const lows = async (kind: Kind) => admin.fetchTopicOffsets(topicFor(kind));
  const count = async (kind: Kind): Promise<number> =>
    (await lows(kind)).reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0);
  return {
    async again(kind, pick) {
      const chosen = pick(await readTopic(kafka, topicFor(kind)), random);
      await send(
        producer,
        topicFor(kind),
        chosen.map(({ key, value, partition }) => ({ key, value, partition })),
      );
      return chosen.length;
    },
    async poison(kind, key, value) {
      const topic = topicFor(kind);
      const at = await send(producer, topic, [{ key: Buffer.from(key), value, partition: 0 }]);
      const places = poisoned.get(kind) ?? new Set();
      poisoned.set(kind, places.add(`${topic} 0 ${at}`));
    },
    poisoned: (kind) => poisoned.get(kind) ?? new Set(),
    async takeUpTo(kind, bytes) {
      const configEntries = [{ name: 'max.message.bytes', value: `${bytes}` }];
      // kafkajs has an enum for it that an ES module cannot import by name.
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: 2, name: topicFor(kind), configEntries }],
      });
    },
    rewind: (store, kinds) => rewind(kafka, `${prefix}.target.${store}`, kinds.map(topicFor)),
    async expire(kind) {
      const records = await count(kind);
      const partitions = (await lows(kind)).map(({ partition, high }) => ({ partition, offset: high }));
      await admin.deleteTopicRecords({ topic: topicFor(kind), partitions });
      return records;
    },
    recreate: (kind) => recreate(admin, topicFor(kind)),
    async count(kinds) {
      let records = 0;
      for (const kind of kinds) records += await count(kind);
      return records;
    },
    async close() {
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    },
  };
}

/** Answers the offset of the first one. */
async function send(
  producer: Producer,
  topic: string,
  messages: readonly { readonly key: Buffer; readonly value: Buffer | null; readonly partition: number }[],
): Promise<string | undefined> {
  const [answer] = await producer.send({
    topic,
    messages: messages.map((message) => ({ ...message, headers: { [MEDDLED_HEADER]: '1' } })),
  });
  return answer?.baseOffset;
}

async function recreate(admin: Admin, topic: string): Promise<void> {
  const numPartitions = (await admin.fetchTopicOffsets(topic)).length;
  await admin.deleteTopics({ topics: [topic] });
  await sleep(FORGOTTEN_AFTER_MS);
  await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: true });
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

/** Some of them, in an order of their own. */
export function shuffledSome<T>(items: readonly T[], most: number, random: Random): readonly T[] {
  const left = [...items];
  return Array.from({ length: Math.min(most, items.length) }, () =>
    left.splice(below(random, left.length), 1),
  ).flat();
}

export const ALL_KINDS: readonly Kind[] = KINDS;
