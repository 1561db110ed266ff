import type { Clock } from '../../core/clock.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import type { KindSource } from './backfill.ts';

export interface KindEstimate {
  readonly kind: Kind;
  readonly store: string;
  readonly total: number;
  /** Items that were read for this estimate, and how many of those could not be moved. */
  readonly sampled: number;
  readonly rejectedInSample: number;
  readonly readPerSecond: number;
  /** How long the whole kind would take to read at that rate, or at the given one where that is lower. */
  readonly seconds: number;
}

export interface EstimateOptions {
  readonly sources: readonly KindSource[];
  readonly clock: Clock;
  readonly batchSize: number;
  readonly sampleItems: number;
  readonly ratePerSecond?: number | undefined;
}

/** Counts what a backfill would move and reads a little of each kind to time it. Writes nothing anywhere. */
export async function estimateBackfill(
  options: EstimateOptions,
  signal: AbortSignal,
): Promise<readonly KindEstimate[]> {
  const estimates: KindEstimate[] = [];
  for (const each of options.sources) estimates.push(await estimateKind(each, options, signal));
  return estimates;
}

async function estimateKind(
  { kind, store, source }: KindSource,
  { clock, batchSize, sampleItems, ratePerSecond = Number.POSITIVE_INFINITY }: EstimateOptions,
  signal: AbortSignal,
): Promise<KindEstimate> {
  const total = await source.count(kind);
  const startedMs = clock.elapsedMs();
  let sampled = 0;
  let rejectedInSample = 0;
  for await (const chunk of source.scan(kind, WHOLE_RANGE, { limit: batchSize, signal })) {
    sampled += chunk.rows.length + chunk.rejected.length;
    rejectedInSample += chunk.rejected.length;
    if (sampled >= sampleItems) break;
  }
  const tookSeconds = Math.max((clock.elapsedMs() - startedMs) / 1000, 1e-3);
  const readPerSecond = sampled / tookSeconds;
  const seconds = total === 0 ? 0 : total / Math.min(Math.max(readPerSecond, 1), ratePerSecond);
  return { kind, store, total, sampled, rejectedInSample, readPerSecond, seconds };
}
