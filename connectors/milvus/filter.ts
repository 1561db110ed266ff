import type { ScanRange } from '../../schemas/scan-order.ts';

/**
 * Filter expressions. Milvus reads a string literal with the escapes that JSON writes (test/connectors/milvus-filter
 * holds every control character against the server), so `JSON.stringify` is the quoting. The client's `ids` parameter
 * does none: an id with a quote in it becomes part of the expression.
 */
export function idIn(ids: readonly string[]): string {
  return `id in [${ids.map(quote).join(',')}]`;
}

/** Everything in a range of ids; `>=` at the open start, because somebody else may have written an empty id. */
export function idBetween({ after, until }: ScanRange): string {
  const start = after === null ? 'id >= ""' : `id > ${quote(String(after[0] ?? ''))}`;
  return until === null ? start : `${start} and id <= ${quote(String(until[0] ?? ''))}`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
