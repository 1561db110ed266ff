import type { Clock } from '../../../core/clock.ts';
import type { CaptureSettings } from '../../capture.ts';
import type { OutboxOptions } from '../../outbox-options.ts';
import type { CapturingClient } from '../client/client.ts';
import type { Layout, RedisKind } from '../layout.ts';
import type { UnknownFields } from '../options.ts';
import type { ListContext } from '../read/listing.ts';

/** What capture works with. */
export interface CaptureContext extends ListContext {
  readonly client: CapturingClient;
  readonly layout: Layout;
  readonly kinds: readonly RedisKind[];
  readonly unknownFields: UnknownFields;
  readonly outbox: OutboxOptions;
  readonly settings: CaptureSettings;
  /** The name of the store. */
  readonly store: string;
  readonly clock: Clock;
  /** Leaves the mark of the role. */
  prepare(): Promise<void>;
}
