import type { EntityWrite } from '../../connectors/capture.ts';
import type { Way } from './writer-options.ts';

/** What an application is told of one write. Clients of a store's own are told no version. */
export type Answer =
  | { readonly status: 'written' | 'repeated'; readonly version: number | null }
  /** Nothing was written: it must not be, or there was nothing to delete. */
  | { readonly status: 'rejected'; readonly reason: string };

/** An application's way of writing to one store. */
export interface StoreWriter {
  readonly way: Way;
  write(writes: readonly EntityWrite[]): Promise<readonly Answer[]>;
  close(): Promise<void>;
}
