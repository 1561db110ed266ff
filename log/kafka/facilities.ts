import { type SchemaName, topicOf } from '../../schemas/kinds.ts';
import type { LogContext } from '../context.ts';
import type { SubscribeOptions } from '../log.ts';
import type { KafkaAdmin } from './admin.ts';
import type { Clients } from './client.ts';
import { heartbeatMsOf } from './consumer-config.ts';
import { GroupMember } from './group-member.ts';
import { Lane } from './lane.ts';
import type { MemberEvents } from './member.ts';
import type { KafkaOptions } from './options.ts';
import { openLaneProducer } from './producer.ts';
import { KafkaSubscription } from './subscription.ts';
import { requireTopics, specOf, type TopicSpec } from './topics.ts';
import type { Watermarks } from './watermarks.ts';

/** What every part of a log on Kafka needs. */
export interface Parts {
  readonly options: KafkaOptions;
  readonly context: LogContext;
  readonly clients: Clients;
  readonly admin: KafkaAdmin;
}

export interface ReadOptions<N extends SchemaName> extends Omit<SubscribeOptions, 'kinds'> {
  readonly names: readonly N[];
  readonly readWatermarks?: () => Promise<readonly Watermarks[]>;
  /** The configured one, where nothing is said. */
  readonly sessionTimeoutMs?: number;
  /** What hears of the members before the subscription does. */
  readonly heard?: (events: MemberEvents) => MemberEvents;
}

export const MAX_BATCH_BYTES = 512 * 1024;
const DEFAULT_BATCH_RECORDS = 5_000;
const DEFAULT_BUFFERED_BYTES = 4 * 1024 * 1024;
const FETCHED_SHARE = 1 / 4;

/** By topic name and kind. */
export function topicsOf<N extends SchemaName>(
  { context }: Parts,
  names: readonly N[],
): ReadonlyMap<N, string> {
  return new Map(names.map((name) => [name, topicOf(context.prefix, name)]));
}

/** Members of one group share their topics, so logs of two prefixes must not meet in one. */
export function groupIdOf({ context }: Parts, group: string): string {
  return `${context.prefix}.${group}`;
}

export function specsOf({ context, options }: Parts, names: readonly SchemaName[]): readonly TopicSpec[] {
  return names.map((name) => specOf(name, context.prefix, options));
}

export function newLane({ clients, context, options }: Parts, maxBatchBytes = MAX_BATCH_BYTES): Lane {
  const { clock, logger } = context;
  return new Lane({
    openProducer: () => openLaneProducer(clients),
    maxBatchBytes,
    deliveryTimeoutMs: options.deliveryTimeoutMs,
    clock,
    logger,
  });
}

/** Joins a group that reads these topics. */
export async function openReader<N extends SchemaName>(
  parts: Parts,
  { sessionTimeoutMs = parts.options.sessionTimeoutMs, heard = (events) => events, ...read }: ReadOptions<N>,
): Promise<KafkaSubscription<N>> {
  const { admin, clients, context } = parts;
  const { clock, logger } = context;
  const topics = topicsOf(parts, read.names);
  const specs = specsOf(parts, read.names);
  const maxBufferedBytes = read.maxBufferedBytes ?? DEFAULT_BUFFERED_BYTES;
  const cluster = await admin.ask('read the brokers', (kafka) => kafka.describeCluster());
  const member = {
    groupId: groupIdOf(parts, read.group),
    topics: [...topics.values()],
    sessionTimeoutMs,
    // What was fetched from each broker and waits for room is small on the wire and large in memory: kafkajs makes
    // several objects of each record.
    maxFetchBytes: Math.ceil((maxBufferedBytes * FETCHED_SHARE) / Math.max(1, cluster.brokers.length)),
  };
  return KafkaSubscription.open({
    ...read,
    topics,
    requireTopics: () => requireTopics(admin, specs),
    openMember: (events) => GroupMember.open(clients, member, heard(events)),
    maxBatchRecords: read.maxBatchRecords ?? DEFAULT_BATCH_RECORDS,
    maxBufferedBytes: Math.ceil(maxBufferedBytes * (1 - FETCHED_SHARE)),
    heartbeatMs: heartbeatMsOf(sessionTimeoutMs),
    address: clients.address,
    clock,
    logger,
  });
}
