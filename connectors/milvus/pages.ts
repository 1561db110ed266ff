import { ChangeoverError, isRejection } from '../../core/errors.ts';
import { compareCodePoints } from '../../core/text.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';
import type { MilvusConnection } from './connection.ts';
import { idBetween } from './filter.ts';
import type { MilvusRow } from './rows.ts';

interface PagesQuery {
  readonly collection: string;
  readonly range: ScanRange;
  readonly fields: readonly string[];
  readonly limit: number;
}

/**
 * Walks a collection by id. The client's own iterators do not serve: one finds nothing, the other knows no range. The
 * server answers `id > last` with a limit by the smallest ids in order (on 2.3 by measurement; test/connectors holds
 * it); a page out of order would mean a gap, so each is looked at.
 *
 * A page may be shorter than its limit without being the last one: only an empty one says so.
 */
export async function* pages(
  connection: MilvusConnection,
  { collection, range, fields, limit }: PagesQuery,
  signal?: AbortSignal,
): AsyncGenerator<readonly MilvusRow[]> {
  let { after } = range;
  let rows = limit;
  for (;;) {
    signal?.throwIfAborted();
    const filter = idBetween({ after, until: range.until });
    const ask = (limit: number) => connection.query({ collection, filter, fields, limit });
    const { answer: page, fitting } = await halving(rows, ask);
    rows = fitting;
    const last = lastInOrder(page, after, collection);
    if (last === undefined) return;
    yield page;
    after = [last];
  }
}

/**
 * Rows that are too large for one message are asked for half as many at a time: the answer for as many as fit, at most
 * `most`, and how many these were.
 */
export async function halving<T>(
  most: number,
  ask: (rows: number) => Promise<T>,
): Promise<{ readonly answer: T; readonly fitting: number }> {
  for (let rows = most; ; rows = Math.ceil(rows / 2)) {
    try {
      return { answer: await ask(rows), fitting: rows };
    } catch (error) {
      const tooLarge = isRejection(error);
      if (!tooLarge || rows <= 1) throw error;
    }
  }
}

function lastInOrder(
  page: readonly MilvusRow[],
  after: ScanRange['after'],
  collection: string,
): string | undefined {
  let last = after === null ? undefined : String(after[0]);
  for (const row of page) {
    const id = row.id as string;
    if (last !== undefined && compareCodePoints(last, id) >= 0) {
      throw new ChangeoverError('unsupported', `Milvus gives the ids of ${collection} out of order.`, {
        hint: 'Report the version of the server: its pages cannot be trusted to be without gaps.',
      });
    }
    last = id;
  }
  return page.length === 0 ? undefined : last;
}

export async function countRows(connection: MilvusConnection, collection: string): Promise<number> {
  const [row] = await connection.query({ collection, filter: '', fields: ['count(*)'] });
  return Number(row?.['count(*)'] ?? 0);
}
