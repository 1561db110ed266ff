import type { RejectedItem, ScanChunk, Source, SourceRow } from '../connectors/connector.ts';
import { differences } from '../schemas/differences.ts';
import { scanKeyOf } from '../schemas/keys.ts';
import type { Kind } from '../schemas/kinds.ts';
import { compareScanKeys, WHOLE_RANGE } from '../schemas/scan-order.ts';

/** How one entity differs between two stores. */
export type Difference =
  /** In the left store, not in the right one. */
  | { readonly class: 'missing'; readonly kind: Kind; readonly key: string }
  /** In the right store, not in the left one. */
  | { readonly class: 'extra'; readonly kind: Kind; readonly key: string }
  | {
      readonly class: 'different';
      readonly kind: Kind;
      readonly key: string;
      readonly fields: readonly string[];
    };

export interface ComparisonSide {
  /** The store's name in the configuration. */
  readonly store: string;
  readonly source: Source;
}

export interface Comparison {
  readonly kind: Kind;
  readonly left: string;
  readonly right: string;
  readonly equal: number;
  readonly missing: number;
  readonly extra: number;
  readonly different: number;
  /** Items that could not be read as entities, on either side; they were not compared. */
  readonly rejected: number;
}

export interface CompareOptions<K extends Kind> {
  readonly kind: K;
  /** The store that is right by definition: the kind's origin. */
  readonly left: ComparisonSide;
  readonly right: ComparisonSide;
  readonly batchSize: number;
  readonly onDifference: (difference: Difference) => void;
  readonly onRejected: (store: string, item: RejectedItem) => void;
  /** Told now and then how many more entities have been compared. */
  readonly onProgress?: (more: number) => void;
}

const TOLD_EVERY = 1_000;

type Rows<K extends Kind> = AsyncGenerator<SourceRow<K>>;

/**
 * Compares every entity of a kind in two stores by merging their ordered scans: each store is read once, in memory that
 * does not grow with it. Contents are compared to the last bit; versions are not, because a legacy store may have none.
 */
export async function compareKind<K extends Kind>(
  options: CompareOptions<K>,
  signal: AbortSignal,
): Promise<Comparison> {
  const { kind, left, right, onDifference } = options;
  const counts = { equal: 0, missing: 0, extra: 0, different: 0, rejected: 0 };
  let untold = 0;
  const tell = (): void => {
    options.onProgress?.(untold);
    untold = 0;
  };
  const onRejected = (store: string, item: RejectedItem): void => {
    counts.rejected += 1;
    options.onRejected(store, item);
  };
  const leftRows = rowsOf(left, options, onRejected, signal);
  const rightRows = rowsOf(right, options, onRejected, signal);
  try {
    for await (const [ours, theirs] of mergeRows(kind, leftRows, rightRows)) {
      if (theirs === undefined) {
        counts.missing += 1;
        onDifference({ class: 'missing', kind, key: ours?.key ?? '' });
      } else if (ours === undefined) {
        counts.extra += 1;
        onDifference({ class: 'extra', kind, key: theirs.key });
      } else {
        const fields = differences<K>(ours.entity, theirs.entity);
        counts[fields.length === 0 ? 'equal' : 'different'] += 1;
        if (fields.length > 0) onDifference({ class: 'different', kind, key: ours.key, fields });
      }
      untold += 1;
      if (untold >= TOLD_EVERY) tell();
    }
    tell();
  } finally {
    await Promise.all([leftRows.return(undefined), rightRows.return(undefined)]);
  }
  return { kind, left: left.store, right: right.store, ...counts };
}

/** The rows of a store in scan order, the next chunk being read while this one is compared. */
async function* rowsOf<K extends Kind>(
  { store, source }: ComparisonSide,
  { kind, batchSize }: CompareOptions<K>,
  onRejected: (store: string, item: RejectedItem) => void,
  signal: AbortSignal,
): Rows<K> {
  const chunks = source.scan(kind, WHOLE_RANGE, { limit: batchSize, signal })[Symbol.asyncIterator]();
  try {
    let following: Promise<IteratorResult<ScanChunk<K>>> = chunks.next();
    for (;;) {
      const result = await following;
      if (result.done === true) return;
      following = chunks.next();
      following.catch(() => {});
      for (const item of result.value.rejected) onRejected(store, item);
      yield* result.value.rows;
    }
  } finally {
    await chunks.return?.();
  }
}

/** Pairs the rows of two ordered scans by place; a place that only one of them has is paired with undefined. */
async function* mergeRows<K extends Kind>(
  kind: K,
  leftRows: Rows<K>,
  rightRows: Rows<K>,
): AsyncGenerator<readonly [SourceRow<K> | undefined, SourceRow<K> | undefined]> {
  const next = async (rows: Rows<K>): Promise<SourceRow<K> | undefined> => {
    const result = await rows.next();
    return result.done === true ? undefined : result.value;
  };
  let left = await next(leftRows);
  let right = await next(rightRows);
  while (left !== undefined || right !== undefined) {
    const order = orderOf(kind, left, right);
    yield [order <= 0 ? left : undefined, order >= 0 ? right : undefined];
    if (order <= 0) left = await next(leftRows);
    if (order >= 0) right = await next(rightRows);
  }
}

function orderOf<K extends Kind>(
  kind: K,
  left: SourceRow<K> | undefined,
  right: SourceRow<K> | undefined,
): number {
  if (left === undefined) return 1;
  if (right === undefined) return -1;
  return compareScanKeys(scanKeyOf(kind, left.entity), scanKeyOf(kind, right.entity));
}
