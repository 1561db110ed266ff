import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { createCodec } from '../../schemas/codec.ts';
import { KINDS, type Kind, topicOf } from '../../schemas/kinds.ts';
import { canonical } from './canonical.ts';
import type { LogEntry } from './evidence.ts';

/** On what a test has put into the log by itself (test/faults/): no producer of ours has. */
export const MEDDLED_HEADER = 'changeover-test-meddled';

/** All that is in the topics of the kinds now, read by a plain client in a group of its own that nothing is left of. */
export async function readLog(brokers: readonly string[], prefix: string): Promise<readonly LogEntry[]> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const topics = new Map(KINDS.map((kind): [string, Kind] => [topicOf(prefix, kind), kind]));
  const groupId = `${prefix}.oracle.${randomUUID()}`;
  const admin = kafka.admin();
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 });
  await Promise.all([admin.connect(), consumer.connect()]);
  try {
    const toRead = new Map<string, number>();
    for (const topic of topics.keys()) {
      for (const { partition, high, low } of await admin.fetchTopicOffsets(topic))
        if (Number(high) > Number(low)) toRead.set(`${topic} ${partition}`, Number(high));
    }
    const codec = createCodec();
    const entries: LogEntry[] = [];
    const { promise: done, resolve, reject } = Promise.withResolvers<void>();
    if (toRead.size === 0) resolve();
    await consumer.subscribe({ topics: [...topics.keys()], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch: { topic, partition, messages } }) => {
        try {
          const kind = topics.get(topic) ?? 'agent';
          for (const { key, value, offset, headers } of messages) {
            if (headers?.[MEDDLED_HEADER] !== undefined) continue;
            if (key === null || value === null) throw new Error(`A record without key or value in ${topic}`);
            const { op, origin, version, eventId, after } = codec.decode(kind, key.toString(), value);
            const content = after === null ? null : canonical(after);
            entries.push({
              kind,
              key: key.toString(),
              partition,
              offset: Number(offset),
              op,
              path: origin.path,
              version,
              eventId,
              content,
            });
          }
          const next = Number(messages.at(-1)?.offset ?? -1) + 1;
          if (next >= (toRead.get(`${topic} ${partition}`) ?? 0)) toRead.delete(`${topic} ${partition}`);
          if (toRead.size === 0) resolve();
        } catch (error) {
          reject(error);
        }
      },
    });
    await done;
    return entries.toSorted((left, right) => left.partition - right.partition || left.offset - right.offset);
  } finally {
    await consumer.disconnect();
    await admin.deleteGroups([groupId]).catch(() => {});
    await admin.disconnect();
  }
}
