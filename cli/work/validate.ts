import type { RejectedItem, Store } from '../../connectors/connector.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type Comparison, compareKind, type Difference } from '../../validate/compare.ts';
import type { Deployment } from '../deployment.ts';
import { table } from '../output/format.ts';
import type { ProgressLine } from '../output/progress.ts';

/** One kind, in its origin and in one store that follows. */
export interface Pair {
  readonly kind: Kind;
  readonly left: Store;
  readonly right: Store;
}

/** Every pair of origin and follower that the configuration has for these kinds. */
export async function pairsOf(
  deployment: Deployment,
  kinds: readonly Kind[],
  targets: readonly string[],
): Promise<readonly Pair[]> {
  const { origins, followers } = deployment.routes;
  const pairs: Pair[] = [];
  for (const kind of kinds) {
    for (const target of targets) {
      if (!followers.get(target)?.includes(kind)) continue;
      const left = await deployment.store('legacy', origins.get(kind) ?? '');
      pairs.push({ kind, left, right: await deployment.store('target', target) });
    }
  }
  return pairs;
}

export interface ComparisonListeners {
  readonly onDifference: (pair: Pair, difference: Difference) => void;
  readonly onRejected: (store: string, item: RejectedItem) => void;
  readonly onProgress?: (pair: Pair, more: number) => void;
}

export async function comparePairs(
  pairs: readonly Pair[],
  batchSize: number,
  listeners: ComparisonListeners,
  signal: AbortSignal,
): Promise<readonly Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const pair of pairs) {
    const { kind, left, right } = pair;
    const comparison = await compareKind(
      {
        kind,
        left: { store: left.name, source: left.source },
        right: { store: right.name, source: right.source },
        batchSize,
        onDifference: (difference) => listeners.onDifference(pair, difference),
        onRejected: listeners.onRejected,
        onProgress: (more) => listeners.onProgress?.(pair, more),
      },
      signal,
    );
    comparisons.push(comparison);
  }
  return comparisons;
}

/** What the progress of a pair is called. */
export function pairName({ kind, right }: Pair): string {
  return `${kind} in ${right.name}`;
}

/** How many entities each pair has, as far as its origin can tell. */
export async function pairTotals(pairs: readonly Pair[]): Promise<readonly ProgressLine[]> {
  const count = async (pair: Pair): Promise<ProgressLine> => ({
    name: pairName(pair),
    total: await pair.left.source.count(pair.kind),
    done: 0,
  });
  return Promise.all(pairs.map(count));
}

export function isClean(comparison: Comparison): boolean {
  return comparison.missing + comparison.extra + comparison.different === 0;
}

export function comparisonTable(comparisons: readonly Comparison[]): string {
  return table(
    ['kind', 'origin', 'follower', 'equal', 'missing', 'extra', 'different', 'unreadable', ''],
    comparisons.map((each) => [
      each.kind,
      each.left,
      each.right,
      each.equal,
      each.missing,
      each.extra,
      each.different,
      each.rejected,
      isClean(each) ? 'ok' : 'DIFFERS',
    ]),
  );
}
