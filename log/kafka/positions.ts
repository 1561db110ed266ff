import type { Kind } from '../../schemas/kinds.ts';
import type { PartitionPosition } from '../log.ts';
import type { KafkaAdmin } from './admin.ts';
import type { OffsetsAt } from './arrivals.ts';
import { groupOffsets, offsetsAtTime, topicOffsets } from './offsets.ts';

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
      const offsets = await topicOffsets(admin, topic);
      return offsets.map(
        ({ partition, ...offsets }): PartitionPosition => ({
          kind,
          partition,
          ...offsets,
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
  for (const { topic, partition, offset } of await groupOffsets(admin, { groupId, topics })) {
    if (offset >= FIRST) committed.set(`${topic}/${partition}`, offset);
  }
  return committed;
}

/** How the brokers find a time in a topic. */
export function offsetsAt(admin: KafkaAdmin, topic: string): OffsetsAt {
  return (timestampMs) => offsetsAtTime(admin, topic, timestampMs);
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
  const holding = (await topicOffsets(admin, topic)).filter(({ start, end }) => end > start);
  return new Map(holding.map(({ partition, end }) => [partition, end]));
}
