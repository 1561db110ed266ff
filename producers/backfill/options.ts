import type { RejectedItem, Source } from '../../connectors/connector.ts';
import type { Clock } from '../../core/clock.ts';
import type { RetryPolicy } from '../../core/retry.ts';
import type { Log } from '../../log/log.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { BackfillState } from './supervisor.ts';
import type { Watch } from './watch.ts';

/** Where a kind is read from. */
export interface KindSource {
  readonly kind: Kind;
  readonly source: Source;
  /** The store's name in the configuration; the `origin.store` of what is read from it. */
  readonly store: string;
}

export interface BackfillOptions {
  readonly sources: readonly KindSource[];
  readonly log: Log;
  readonly clock: Clock;
  /** Who runs it, for the changes' origin: a host and process. */
  readonly writer: string;
  readonly batchSize: number;
  /** Ranges that are moved at once. */
  readonly parallelism: number;
  /**
   * Whether processes that are started for the same run share its ranges, through the log's work topic. Without it each moves
   * all of them.
   */
  readonly shared?: boolean;
  /** Items a second over all kinds, and over all processes that share the run; undefined for as fast as it goes. */
  readonly ratePerSecond?: number | undefined;
  readonly retryPolicy?: Partial<RetryPolicy>;
  /** Which run to go on with: `unfinished` is the newest if it has not finished, else a new one. */
  readonly resume: 'unfinished' | 'never' | number;
  /** For whom it goes slower; nobody by default. */
  readonly watch?: Watch;
  readonly onPlan: (plan: BackfillPlan) => void;
  /** How many items of a kind are through, whoever has moved them: told now and then where the run is shared. */
  readonly onStanding?: (kind: Kind, items: number) => void;
  readonly onScan?: (kind: Kind, ms: number) => void;
  /** Told about twice a second. */
  readonly onState?: (state: BackfillState) => void;
  readonly onChunk: (kind: Kind, published: number, rejected: readonly RejectedItem[]) => void;
}

export interface BackfillPlan {
  readonly generation: number;
  readonly resumed: boolean;
  /** Items in the sources now, and what earlier parts of a resumed run have already moved. */
  readonly kinds: readonly {
    readonly kind: Kind;
    readonly store: string;
    readonly total: number;
    readonly done: number;
  }[];
}
