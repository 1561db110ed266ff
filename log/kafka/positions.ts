import type { Kind } from '../../schemas/kinds.ts';
import type { PartitionPosition } from '../log.ts';
import type { KafkaAdmin } from './admin.ts';
import type { OffsetsAt } from './arrivals.ts';

export interface PositionsQuery {
  readonly topics: ReadonlyMap<Kind, string>;
  readonly groupId: string | undefined;
}

/** Below it, Kafka says that the group has never committed, or kafkajs that it was to begin at the beginning. */
const FIRST = 0;

export async function readPositions(
  admin: KafkaAdmin,
  { topics, groupId }: PositionsQuery,
): Promise<readonly PartitionPosition[]> {
  // The group first: the end can only move away from what was committed before it was read.
  const committed = await readCommitted(admin, [...topics.values()], groupId);
  const perTopic = await Promise.all(
    Array.from(topics, async ([kind, topic]) => {
      const offsets = await admin.ask(`read the offsets of ${topic}`, (kafka) =>
        kafka.fetchTopicOffsets(topic),
      );
      return offsets.map(
        ({ partition, low, high }): PartitionPosition => ({
          kind,
          partition,
          start: Number(low),
          end: Number(high),
          committed: committed.get(`${topic}/${partition}`) ?? null,
        }),
      );
    }),
  );
  return perTopic.flatMap((positions) => positions.sort((a, b) => a.partition - b.partition));
}

async function readCommitted(
  admin: KafkaAdmin,
  topics: string[],
  groupId: string | undefined,
): Promise<ReadonlyMap<string, number>> {
  const committed = new Map<string, number>();
  if (groupId === undefined) return committed;
  const answers = await admin.ask(`read the offsets of the group ${groupId}`, (kafka) =>
    kafka.fetchOffsets({ groupId, topics }),
  );
  for (const { topic, partitions } of answers) {
    for (const { partition, offset } of partitions) {
      if (Number(offset) >= FIRST) committed.set(`${topic}/${partition}`, Number(offset));
    }
  }
  return committed;
}

/** How the brokers find a time in a topic. */
export function offsetsAt(admin: KafkaAdmin, topic: string): OffsetsAt {
  return async (timestampMs) => {
    const offsets = await admin.ask(`find a time in ${topic}`, (kafka) =>
      kafka.fetchTopicOffsetsByTimestamp(topic, timestampMs),
    );
    return new Map(offsets.map(({ partition, offset }) => [partition, Number(offset)]));
  };
}

/** Of a group that the brokers do not know: none. */
export async function countMembers(admin: KafkaAdmin, groupId: string): Promise<number> {
  const { groups } = await admin.ask(`read the members of the group ${groupId}`, (kafka) =>
    kafka.describeGroups([groupId]),
  );
  return groups.reduce((sum, { members }) => sum + members.length, 0);
}

/** The offset behind the last record of a topic, of each partition that holds any. */
export async function readEnds(admin: KafkaAdmin, topic: string): Promise<ReadonlyMap<number, number>> {
  const offsets = await admin.ask(`read the offsets of ${topic}`, (kafka) => kafka.fetchTopicOffsets(topic));
  const holding = offsets.filter(({ low, high }) => Number(high) > Number(low));
  return new Map(holding.map(({ partition, high }) => [partition, Number(high)]));
}
