import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { SchemaName } from '../../schemas/kinds.ts';
import type { SubscriptionEvent } from '../log.ts';
import type { Member, MemberEvents } from './member.ts';
import type { Watermarks } from './watermarks.ts';

export interface SubscriptionOptions<N extends SchemaName> {
  readonly topics: ReadonlyMap<N, string>;
  readonly openMember: (events: MemberEvents) => Promise<Member>;
  /** Throws `mismatch` where the topics are not what they have to be. */
  readonly requireTopics: () => Promise<void>;
  /**
   * Where the topics begin and end, and what the group has committed. Without it nobody minds what is missing: in a
   * compacted topic it was replaced, and a group that commits nothing has nowhere to go on.
   */
  readonly readWatermarks?: () => Promise<readonly Watermarks[]>;
  /** Whether a gap that is there at the beginning is accepted. */
  readonly acceptGap?: boolean;
  /** How often the brokers are asked whether the log is still whole. */
  readonly lookEveryMs?: number;
  readonly onEvent?: (event: SubscriptionEvent) => void;
  readonly maxBatchRecords: number;
  readonly maxBufferedBytes: number;
  readonly heartbeatMs: number;
  readonly address: string;
  readonly clock: Clock;
  readonly logger: Logger;
}
