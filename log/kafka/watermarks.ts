import type { KafkaAdmin } from './admin.ts';
import { type Memo, parseMemo } from './mark.ts';
import { groupOffsets, topicOffsets } from './offsets.ts';
import { placeOf } from './records.ts';

/** What a group has committed in one partition. */
export interface Committed extends Memo {
  /** To be read next. */
  readonly offset: number;
}

/** One partition as the brokers have it, and how far a group is there. */
export interface Watermarks {
  readonly topic: string;
  readonly partition: number;
  /** The first offset that is still there. */
  readonly start: number;
  /** The offset that the next record will get. */
  readonly end: number;
  /** `reset`: kafkajs did not find the committed offset in the log, and has replaced it by "the beginning". */
  readonly committed: Committed | 'never' | 'reset';
}

export interface WatermarksQuery {
  readonly topics: readonly string[];
  /** Where none is named, none has committed. */
  readonly groupId: string | undefined;
}

/** What Kafka answers for a partition that the group has never committed. */
const NEVER = -1;

export async function readWatermarks(
  admin: KafkaAdmin,
  { topics, groupId }: WatermarksQuery,
): Promise<readonly Watermarks[]> {
  // The group first: the end can only move away from what was committed before it was read.
  const committed = await readCommitted(admin, { topics, groupId });
  const perTopic = await Promise.all(
    topics.map(async (topic) => {
      const offsets = await topicOffsets(admin, topic);
      return offsets.map(
        ({ partition, ...offsets }): Watermarks => ({
          topic,
          partition,
          ...offsets,
          committed: committed.get(placeOf({ topic, partition })) ?? 'never',
        }),
      );
    }),
  );
  return perTopic.flatMap((marks) => marks.sort((a, b) => a.partition - b.partition));
}

async function readCommitted(
  admin: KafkaAdmin,
  { topics, groupId }: WatermarksQuery,
): Promise<ReadonlyMap<string, Watermarks['committed']>> {
  if (groupId === undefined) return new Map();
  const answers = await groupOffsets(admin, { topics, groupId });
  return new Map(answers.map((each) => [placeOf(each), committedOf(each.offset, each.metadata)]));
}

function committedOf(offset: number, metadata: string | null): Watermarks['committed'] {
  if (offset === NEVER) return 'never';
  return offset < 0 ? 'reset' : { offset, ...parseMemo(metadata) };
}
