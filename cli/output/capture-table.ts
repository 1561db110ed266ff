import type { CaptureStatus } from '../../connectors/capture.ts';
import { duration, table } from './format.ts';

/** One row for each store. */
export function captureTable(
  statuses: readonly (CaptureStatus & { readonly store: string })[],
  nowUs: number,
): string {
  return table(
    ['store', 'captured', 'entries', 'of at most', 'oldest', 'set aside', 'lost', 'how'],
    statuses.map(({ store, active, entries, maxEntries, oldestUs, setAside, lostSinceUs, detail }) => [
      store,
      active ? 'yes' : 'NO',
      entries,
      maxEntries,
      oldestUs === null ? '' : duration(Math.max(0, nowUs - oldestUs) / 1_000),
      setAside,
      lostSinceUs === null ? '' : `SINCE ${new Date(lostSinceUs / 1_000).toISOString()}`,
      detail,
    ]),
  );
}
