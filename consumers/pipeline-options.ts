import type { Sink } from '../connectors/connector.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Log, SubscriptionEvent } from '../log/log.ts';
import type { Codec } from '../schemas/codec.ts';
import type { BatchResult } from './progress.ts';
import type { Refuse } from './refused.ts';
import type { Stage } from './stage.ts';

export interface PipelineOptions {
  /** The store's name; with the log's prefix it makes the consumer group. */
  readonly store: string;
  readonly group: string;
  readonly sink: Sink;
  readonly log: Log;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly logger: Logger;
  /** From the outermost to the one next to the sink. */
  readonly stages: readonly Stage[];
  readonly refuse: Refuse;
  /** Upper bound on the changes that are offered to the store at once. */
  readonly maxBatchChanges: number;
  /** Whether to go on where records have expired before this store had them. */
  readonly acceptGap?: boolean;
  /** Told of what became of each batch. */
  readonly onBatch?: (result: BatchResult) => void;
  /** Told of what the subscription has lived through. */
  readonly onEvent?: (event: SubscriptionEvent) => void;
}
