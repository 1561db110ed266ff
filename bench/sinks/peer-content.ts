import { Kafka, logLevel } from 'kafkajs';
import { retry } from '../../core/retry.ts';
import type { KafkaAddress } from '../../stack/addresses.ts';
import { agentChange } from './postgres-content.ts';

export const PEER_PARTITIONS = 12;
const PER_SEND = 5_000;

/**
 * The plain agents as the worker's JSON converter reads them. Their schema stands in the worker's configuration and not in
 * every record (KIP-1054), which spares it parsing several times as much.
 */
export const PEER_SCHEMAS = {
  key: schemaOf({ id: 'string' }),
  value: schemaOf({ type: 'string', active: 'boolean', attributes: 'string', version: 'int64' }),
};

function schemaOf(types: Readonly<Record<string, string>>): string {
  const fields = Object.entries(types).map(([field, type]) => ({ field, type, optional: false }));
  return JSON.stringify({ type: 'struct', optional: false, fields });
}

/** The table that the worker writes: the plain one, but its free field is text, which is the least work for the server. */
export function peerTable(table: string): string {
  return `CREATE TABLE ${table} (id text COLLATE "C" PRIMARY KEY, type text NOT NULL, active boolean NOT NULL,
    attributes text NOT NULL, version bigint NOT NULL)`;
}

/** Fills a topic of that name, and answers the last id of each partition: when those are there, all is. */
export async function fillPeerTopic(
  { brokers }: KafkaAddress,
  topic: string,
  rows: number,
): Promise<string[]> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const [admin, producer] = [kafka.admin(), kafka.producer()];
  const lastIds = new Map<number, string>();
  await admin.connect();
  await producer.connect();
  try {
    const topics = [{ topic, numPartitions: PEER_PARTITIONS, replicationFactor: 1 }];
    await admin.createTopics({ topics, waitForLeaders: false });
    // kafkajs' own wait ends with an error where a broker has not heard of the topic yet.
    await retry(() => admin.fetchTopicMetadata({ topics: [topic] }), {
      policy: { attempts: 30 },
      retryable: () => true,
    });
    for (let start = 0; start < rows; start += PER_SEND) {
      const messages = Array.from({ length: Math.min(PER_SEND, rows - start) }, (_, index) =>
        peerMessage(start + index),
      );
      for (const { id, partition } of messages) lastIds.set(partition, id);
      await producer.send({ topic, messages });
    }
    return [...lastIds.values()];
  } finally {
    await producer.disconnect();
    await admin.disconnect();
  }
}

export function peerMessage(index: number): { id: string; key: string; partition: number; value: string } {
  const { after, version } = agentChange(index);
  if (after === null) throw new Error('An agent of the bench is never removed.');
  const { id, type, active, attributes } = after;
  const value = JSON.stringify({ type, active, attributes: JSON.stringify(attributes), version });
  return { id, key: JSON.stringify({ id }), partition: index % PEER_PARTITIONS, value };
}
