import type { ChangeoverError, ErrorCode } from '../core/errors.ts';
import type { Writers } from '../producers/shim/change-writer.ts';
import { routeWrites, type ShimResult } from '../producers/shim/route-writes.ts';
import type { Item } from './items.ts';
import { retryAfter } from './problem.ts';

/** What became of one change of a request. */
export interface ItemResult {
  readonly index: number;
  /** As the client gave it. */
  readonly id?: string;
  /**
   * `accepted`: it is durable. `repeated`: it was already, from an earlier request with its id. `rejected`: trying again will
   * not help. `failed`: it may have been written or not; send it again, with the same id.
   */
  readonly status: 'accepted' | 'repeated' | 'rejected' | 'failed';
  readonly version?: number;
  readonly reason?: string;
  /** Of what failed: `outbox-full`, `unreachable`, `timeout`, … */
  readonly code?: ErrorCode;
}

/** Is told each error once, with how many changes it cost: the answer does not say everything. */
export type OnFailed = (error: ChangeoverError, changes: number) => void;

/** Writes what can be written, and answers one result per item. It never rejects. */
export async function writeItems(
  writers: Writers,
  items: readonly Item[],
  onFailed: OnFailed,
): Promise<readonly ItemResult[]> {
  const writes = items.flatMap(({ write }) => write ?? []);
  const written = await routeWrites(writers, writes, 'ingest');
  const errors = new Map<ChangeoverError, number>();
  for (const result of written) {
    if (result.status === 'failed') errors.set(result.error, (errors.get(result.error) ?? 0) + 1);
  }
  for (const [error, changes] of errors) onFailed(error, changes);
  const results = written.values();
  return items.map((item, index) => {
    const { reason = '' } = item;
    const result =
      item.write === undefined ? ({ status: 'rejected', reason } as const) : results.next().value;
    return itemResult(item, index, result as ShimResult);
  });
}

export function itemResult({ id }: Item, index: number, result: ShimResult): ItemResult {
  const name = { index, ...(id === undefined ? {} : { id }) };
  switch (result.status) {
    case 'written':
      return { ...name, status: 'accepted', version: result.version };
    case 'repeated':
      return { ...name, status: 'repeated', version: result.version };
    case 'rejected':
      return { ...name, status: 'rejected', reason: result.reason };
    case 'failed': {
      const { code, message } = result.error;
      // What is no error of ours can say anything, of the server's inside too.
      const reason = code === 'internal' ? "an unexpected error; see the server's log" : message;
      return { ...name, status: 'failed', code, reason };
    }
    default:
      return result satisfies never;
  }
}

export interface Answer {
  readonly status: 202 | 207 | 422 | 500 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ResultsBody;
}

export type ResultsBody = { readonly [status in ItemResult['status']]: number } & {
  readonly results: readonly ItemResult[];
};

const OUTBOX_FULL_WAIT_MS = 5_000;
const AWAY_WAIT_MS = 2_000;

/**
 * 202: every change is durable. 422: every one was rejected. 503: none was accepted, and some may be when they come again;
 * 500, where the reason is a defect. 207: the results differ. With what failed goes a Retry-After.
 */
export function answerOf(results: readonly ItemResult[]): Answer {
  const counts = { accepted: 0, repeated: 0, rejected: 0, failed: 0 };
  for (const { status } of results) counts[status]++;
  const body = { ...counts, results };
  const durable = counts.accepted + counts.repeated;
  if (durable === results.length) return { status: 202, headers: {}, body };
  if (counts.rejected === results.length) return { status: 422, headers: {}, body };
  if (counts.failed === 0) return { status: 207, headers: {}, body };
  const full = results.some(({ code }) => code === 'outbox-full');
  const headers = retryAfter(full ? OUTBOX_FULL_WAIT_MS : AWAY_WAIT_MS);
  if (durable > 0) return { status: 207, headers, body };
  const defect = results.every(({ status, code }) => status === 'rejected' || code === 'internal');
  return { status: defect ? 500 : 503, headers, body };
}
