import { messageOf } from '../../core/errors.ts';
import type { StoreStatus } from '../work/capture-status.ts';
import { duration, table } from './format.ts';

/** One row for each store. */
export function captureTable(statuses: readonly StoreStatus[], nowUs: number): string {
  return table(
    ['store', 'captured', 'entries', 'of at most', 'oldest', 'set aside', 'lost', 'how'],
    statuses.map((status) => {
      if ('error' in status) return [status.store, '?', '', '', '', '', '', messageOf(status.error)];
      const { store, active, entries, maxEntries, oldestUs, setAside, lostSinceUs, detail } = status;
      return [
        store,
        active ? 'yes' : 'NO',
        entries,
        maxEntries,
        oldestUs === null ? '' : duration(Math.max(0, nowUs - oldestUs) / 1_000),
        setAside,
        lostSinceUs === null ? '' : `SINCE ${new Date(lostSinceUs / 1_000).toISOString()}`,
        detail,
      ];
    }),
  );
}
