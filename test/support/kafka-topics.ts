import { Kafka, logLevel } from 'kafkajs';

/** Deletes every topic whose name starts with that prefix: what a test made on the shared broker. */
export async function dropTopics(broker: string, prefix: string): Promise<void> {
  const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix));
    if (topics.length > 0) await admin.deleteTopics({ topics });
  } finally {
    await admin.disconnect();
  }
}
