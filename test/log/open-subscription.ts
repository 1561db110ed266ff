import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { openAdmin } from '../../log/kafka/admin.ts';
import { prepareClients } from '../../log/kafka/client.ts';
import { heartbeatMsOf } from '../../log/kafka/consumer-config.ts';
import { GroupMember } from '../../log/kafka/group-member.ts';
import { kafkaOptions } from '../../log/kafka/options.ts';
import { KafkaSubscription } from '../../log/kafka/subscription.ts';
import { requireTopics, specOf } from '../../log/kafka/topics.ts';
import { readWatermarks } from '../../log/kafka/watermarks.ts';
import type { SubscriptionEvent } from '../../log/log.ts';
import { type Kind, topicOf } from '../../schemas/kinds.ts';

export interface OpenOptions {
  readonly broker: string;
  readonly prefix: string;
  readonly group: string;
  readonly partitions: number;
  readonly lookEveryMs: number;
  readonly maxBufferedBytes?: number;
  readonly sessionTimeoutMs?: number;
}

export interface OpenSubscription {
  readonly subscription: KafkaSubscription<Kind>;
  readonly events: SubscriptionEvent[];
  close(): Promise<void>;
}

/** A subscription to the agents as `openKafkaLog` makes it, but one that asks the brokers more often than every minute. */
export async function openSubscription(given: OpenOptions): Promise<OpenSubscription> {
  const { broker, prefix, group, partitions, lookEveryMs, maxBufferedBytes = 1024 * 1024 } = given;
  const options = kafkaOptions.parse({
    brokers: [broker],
    partitions,
    sessionTimeoutMs: given.sessionTimeoutMs ?? 6_000,
  });
  const clock = systemClock;
  const clients = await prepareClients(options, silentLogger, clock);
  const admin = await openAdmin(clients, options.openTimeoutMs);
  const groupId = `${prefix}.${group}`;
  const topics = new Map<Kind, string>([['agent', topicOf(prefix, 'agent')]]);
  const events: SubscriptionEvent[] = [];
  const member = {
    groupId,
    topics: [...topics.values()],
    sessionTimeoutMs: options.sessionTimeoutMs,
    maxFetchBytes: 64 * 1024,
  };
  const subscription = await KafkaSubscription.open<Kind>({
    topics,
    requireTopics: () => requireTopics(admin, [specOf('agent', prefix, options)]),
    readWatermarks: () => readWatermarks(admin, { topics: [...topics.values()], groupId }),
    openMember: (memberEvents) => GroupMember.open(clients, member, memberEvents),
    maxBatchRecords: 100,
    maxBufferedBytes,
    heartbeatMs: heartbeatMsOf(options.sessionTimeoutMs),
    address: clients.address,
    lookEveryMs,
    onEvent: (event) => events.push(event),
    clock,
    logger: silentLogger,
  });
  return {
    subscription,
    events,
    close: async () => {
      await subscription.close();
      await admin.close();
    },
  };
}
