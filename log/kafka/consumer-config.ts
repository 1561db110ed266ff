import type { ConsumerConfig } from 'kafkajs';

export interface MemberOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  /** Bytes of one answer of a broker, about. */
  readonly maxFetchBytes: number;
}

/** How long a fetch waits for something new: also how long leaving the group may take. Not a delay: news ends it. */
export const FETCH_WAIT_MS = 250;
const MAX_BYTES_PER_PARTITION = 1024 * 1024;
/** About 2.5 s of passing failures, then the member is given up and its subscription makes another. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 } as const;

/** Often enough that one or two may get lost, and that a new member need not wait long for the others to notice. */
export function heartbeatMsOf(sessionTimeoutMs: number): number {
  return Math.min(3_000, Math.ceil(sessionTimeoutMs / 10));
}

/** A member that ends when it fails: its subscription makes another. */
export function consumerConfig({ groupId, sessionTimeoutMs, maxFetchBytes }: MemberOptions): ConsumerConfig {
  return {
    groupId,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: heartbeatMsOf(sessionTimeoutMs),
    maxBytes: maxFetchBytes,
    maxBytesPerPartition: Math.min(MAX_BYTES_PER_PARTITION, maxFetchBytes),
    maxWaitTimeInMs: FETCH_WAIT_MS,
    allowAutoTopicCreation: false,
    retry: { ...RETRY, restartOnFailure: async () => false },
  };
}
