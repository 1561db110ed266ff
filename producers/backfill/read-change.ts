import type { SourceRow } from '../../connectors/connector.ts';
import type { Change, Origin } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';

export interface ReadContext {
  /** The version of what no captured write has touched: smaller than any captured version, greater than the last run's. */
  readonly generation: number;
  readonly origin: Origin;
  readonly nowUs: () => number;
}

let counter = 0;

/**
 * What a backfill says of a row: "this was the state as of this version, or of some time after it". The label was read
 * before the content, so it is never newer than the content; content that is newer than its label is followed by the
 * captured change that made it so, and that change has a greater version.
 */
export function readChange<K extends Kind>(kind: K, row: SourceRow<K>, context: ReadContext): Change {
  const { generation, origin, nowUs } = context;
  counter += 1;
  return {
    kind,
    key: row.key,
    op: 'r',
    version: row.version ?? generation,
    before: null,
    after: row.entity,
    origin,
    eventId: `${origin.writer}-${counter}`,
    capturedAt: nowUs(),
  } as unknown as Change;
}
