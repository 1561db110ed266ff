import { randomBytes } from 'node:crypto';
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import type { KafkaAddress } from '../../stack/addresses.ts';

const PARTITIONS = 12;
const BATCH = 1_000;

/** The fastest hand-written loop: records of this size to one topic, one send of 1,000 after another, acks from all. */
export async function rawPublish({ brokers }: KafkaAddress, records: number, bytes: number): Promise<number> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const topic = `raw-${randomBytes(4).toString('hex')}`;
  const admin = kafka.admin();
  const producer = kafka.producer({ idempotent: true });
  await Promise.all([admin.connect(), producer.connect()]);
  try {
    await admin.createTopics({
      topics: [{ topic, numPartitions: PARTITIONS, replicationFactor: 1 }],
      waitForLeaders: true,
    });
    const value = randomBytes(bytes);
    for (let sent = 0; sent < records; sent += BATCH) {
      const messages = Array.from({ length: Math.min(BATCH, records - sent) }, (_, index) => ({
        key: `${sent + index}`,
        value,
      }));
      await producer.send({ topic, messages, acks: -1, compression: CompressionTypes.None });
    }
    return records;
  } finally {
    await admin.deleteTopics({ topics: [topic] });
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  }
}
