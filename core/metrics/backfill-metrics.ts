import type { Registry } from 'prom-client';
import { declareIn } from './declare.ts';

/** Everything that can hold a backfill back. */
export const THROTTLE_REASONS = ['lag', 'origin', 'outbox', 'paused', 'rate'] as const;
export type ThrottleReason = (typeof THROTTLE_REASONS)[number];

export interface BackfillMetrics {
  moved(kind: string, published: number, rejected: number): void;
  /** What holds it back now, and how many items a second may be published; infinite where nothing does. */
  throttled(reasons: ReadonlySet<ThrottleReason>, perSecond: number): void;
  scanned(kind: string, seconds: number): void;
}

const SCAN_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createBackfillMetrics(registry: Registry): BackfillMetrics {
  const { counter, gauge, histogram } = declareIn(registry);
  const published = counter('backfill_published_total', 'Entities that the log has confirmed.', ['kind']);
  const rejected = counter('backfill_rejected_total', 'Items of the origin that could not be moved.', [
    'kind',
  ]);
  const throttle = gauge('backfill_throttle', '1 while the backfill is held back for that reason.', [
    'reason',
  ]);
  const limit = gauge(
    'backfill_limit_per_second',
    'Entities a second that may be published: 0 stopped, +Inf unlimited.',
    [],
  );
  const scans = histogram(
    'backfill_scan_seconds',
    'How long the origin took for one chunk of a scan.',
    ['kind'],
    SCAN_SECONDS,
  );
  const metrics: BackfillMetrics = {
    moved: (kind, confirmed, refused) => {
      published.inc({ kind }, confirmed);
      rejected.inc({ kind }, refused);
    },
    throttled: (reasons, perSecond) => {
      for (const reason of THROTTLE_REASONS) throttle.set({ reason }, reasons.has(reason) ? 1 : 0);
      limit.set(perSecond);
    },
    scanned: (kind, seconds) => scans.observe({ kind }, seconds),
  };
  metrics.throttled(new Set(), Number.POSITIVE_INFINITY);
  return metrics;
}
