import { ChangeoverError } from '../../core/errors.ts';
import type { KafkaAdmin } from './admin.ts';

/** What one partition holds: from `start`, up to but not including `end`. */
export interface PartitionOffsets {
  readonly partition: number;
  readonly start: number;
  readonly end: number;
}

export interface CommittedOffset {
  readonly topic: string;
  readonly partition: number;
  /** Negative where nothing is committed. */
  readonly offset: number;
  readonly metadata: string | null;
}

/** Every partition of a topic. */
export async function topicOffsets(admin: KafkaAdmin, topic: string): Promise<readonly PartitionOffsets[]> {
  const doing = `read the offsets of ${topic}`;
  return admin.ask(doing, async (kafka) => {
    const offsets = await kafka.fetchTopicOffsets(topic);
    if (offsets.length === 0) throw unknownPartitions(doing, topic);
    return offsets.map(({ partition, low, high }) => ({ partition, start: Number(low), end: Number(high) }));
  });
}

/** Of every partition, the first offset whose record came at that time (ms since 1970) or later; else its end. */
export async function offsetsAtTime(
  admin: KafkaAdmin,
  topic: string,
  timestampMs: number,
): Promise<ReadonlyMap<number, number>> {
  const doing = `find a time in ${topic}`;
  return admin.ask(doing, async (kafka) => {
    const offsets = await kafka.fetchTopicOffsetsByTimestamp(topic, timestampMs);
    if (offsets.length === 0) throw unknownPartitions(doing, topic);
    return new Map(offsets.map(({ partition, offset }) => [partition, Number(offset)]));
  });
}

/** What a group has committed, of every partition of these topics. */
export async function groupOffsets(
  admin: KafkaAdmin,
  { groupId, topics }: { readonly groupId: string; readonly topics: readonly string[] },
): Promise<readonly CommittedOffset[]> {
  const doing = `read the offsets of the group ${groupId}`;
  return admin.ask(doing, async (kafka) => {
    const answers = await kafka.fetchOffsets({ groupId, topics: [...topics] });
    for (const topic of topics) {
      const answer = answers.find((each) => each.topic === topic);
      if (answer === undefined || answer.partitions.length === 0) throw unknownPartitions(doing, topic);
    }
    return answers.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset, metadata }) => ({
        topic,
        partition,
        offset: Number(offset),
        metadata,
      })),
    );
  });
}

/**
 * kafkajs asks about the partitions that it knows. Where two of its requests for metadata overlap, the later answer may be
 * one that was asked for before the topic was of interest; then it knows none (`findTopicPartitionMetadata` answers an empty list)
 * and says of the topic that there is nothing. To us that would be a group that has never read it, or a topic that is read to its end.
 */
function unknownPartitions(doing: string, topic: string): ChangeoverError {
  return new ChangeoverError(
    'unreachable',
    `Cannot ${doing}: the client does not know the partitions of ${topic}.`,
  );
}
