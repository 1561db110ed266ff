import type { SetAsideEntry } from '../../connectors/capture.ts';
import { table } from './format.ts';
import { oneLine } from './one-line.ts';

const LONGEST_KEY = 80;
const LONGEST_REASON = 200;

/** One row for each entry. What it says comes from whoever wrote it, and may be any text at all. */
export function setAsideTable(store: string, entries: readonly SetAsideEntry[]): string {
  return table(
    ['store', 'kind', 'key', 'captured', 'id', 'reason'],
    entries.map(({ id, kind, key, reason, capturedUs }) => [
      store,
      kind === '' ? '?' : oneLine(kind, LONGEST_KEY),
      key === '' ? '?' : oneLine(key, LONGEST_KEY),
      capturedUs === null ? '?' : new Date(capturedUs / 1_000).toISOString(),
      oneLine(id, LONGEST_KEY),
      oneLine(reason, LONGEST_REASON),
    ]),
  );
}
