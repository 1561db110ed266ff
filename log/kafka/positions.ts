import type { Kind } from '../../schemas/kinds.ts';
import type { PartitionPosition } from '../log.ts';
import type { KafkaAdmin } from './admin.ts';

export interface PositionsQuery {
  readonly topics: ReadonlyMap<Kind, string>;
  readonly groupId: string | undefined;
}

/** What Kafka answers for a partition that the group has never committed. */
const NEVER = -1;

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
      if (Number(offset) !== NEVER) committed.set(`${topic}/${partition}`, Number(offset));
    }
  }
  return committed;
}
