import type { Kind } from '../../schemas/kinds.ts';
import type { PartitionPosition } from '../log.ts';
import type { KafkaAdmin } from './admin.ts';
import type { OffsetsAt } from './arrivals.ts';
import { forgottenTopics } from './gap.ts';
import { offsetsAtTime, topicOffsets } from './offsets.ts';
import { readWatermarks } from './watermarks.ts';

export interface PositionsQuery {
  readonly topics: ReadonlyMap<Kind, string>;
  readonly groupId: string | undefined;
}

export async function readPositions(
  admin: KafkaAdmin,
  { topics, groupId }: PositionsQuery,
): Promise<readonly PartitionPosition[]> {
  const kinds = new Map(Array.from(topics, ([kind, topic]) => [topic, kind]));
  const watermarks = await readWatermarks(admin, { topics: [...kinds.keys()], groupId });
  const forgotten = forgottenTopics(watermarks);
  return watermarks.flatMap(({ topic, partition, start, end, committed }): PartitionPosition[] => {
    const kind = kinds.get(topic);
    if (kind === undefined) return [];
    if (typeof committed === 'object') return [{ kind, partition, start, end, committed: committed.offset }];
    const isForgotten = committed === 'reset' || forgotten.has(topic);
    return [
      { kind, partition, start, end, committed: null, ...(isForgotten && { forgotten: true as const }) },
    ];
  });
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
