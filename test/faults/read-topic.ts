import { randomUUID } from 'node:crypto';
import type { Kafka } from 'kafkajs';
import { MEDDLED_HEADER } from '../live/read-log.ts';

export interface Stored {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly partition: number;
}

/** What producers of ours have put into a topic that is there now, read in a group of its own that nothing is left of. */
export async function readTopic(kafka: Kafka, topic: string): Promise<readonly Stored[]> {
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
