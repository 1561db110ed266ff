import type { Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import { declareIn } from './declare.ts';

/** What became of one batch (a `BatchResult` is one). */
export interface BatchReading {
  readonly received: number;
  readonly applied: number;
  readonly stale: number;
  readonly refused: number;
  readonly bytes: number;
  readonly applyMs: number;
  /** When the log got the newest of them, in ms since 1970. */
  readonly newestMs: number;
}

/** How far a store is behind in one partition (a `PartitionLag` is one). */
export interface LagReading {
  readonly kind: string;
  readonly partition: number;
  readonly records: number;
  /** How long the oldest of them has been waiting. */
  readonly seconds: number;
}

/** What can become of the membership in the group, as the log tells it. */
export const GROUP_EVENTS = ['rebalanced', 'member-lost', 'watchdog', 'lease-expired', 'gap'] as const;
export type GroupEvent = (typeof GROUP_EVENTS)[number];

/** The side that follows the log. Each is labelled with the store's name. */
export interface FollowerMetrics {
  /** Makes the store's series, so that nothing of them is missing before something happens. */
  follows(store: string): void;
  batch(store: string, batch: BatchReading): void;
  retried(store: string): void;
  breaker(store: string, open: boolean): void;
  group(store: string, event: GroupEvent): void;
  /** Undefined where it cannot be asked for: no number is better than an old one. */
  lag(store: string, readings: readonly LagReading[] | undefined): void;
}

const BATCH_CHANGES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000];
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export function createFollowerMetrics(
  registry: Registry,
  clock: Pick<Clock, 'elapsedMs' | 'nowUs'>,
): FollowerMetrics {
  const { counter, gauge, histogram } = declareIn(registry);
  /** By store: when it last had dealt with a batch, or began to follow. */
  const progressedMs = new Map<string, number>();

  const consumed = counter('consumed_total', 'Changes that have been dealt with and are committed.', [
    'store',
  ]);
  const applied = counter('applied_total', 'Of the consumed changes, those that changed the store.', [
    'store',
  ]);
  const stale = counter(
    'stale_total',
    'Of the consumed changes, those that the store had already, or newer.',
    ['store'],
  );
  const deadLettered = counter(
    'dead_lettered_total',
    'Of the consumed changes, those that the store cannot take.',
    ['store'],
  );
  const bytes = counter('consumed_bytes_total', 'Bytes of the values of the consumed changes.', ['store']);
  const batches = histogram('batch_changes', 'Changes in one batch.', ['store'], BATCH_CHANGES);
  const apply = histogram(
    'apply_seconds',
    'How long the store took for one batch, retries included.',
    ['store'],
    SECONDS,
  );
  const delivery = histogram(
    'delivery_seconds',
    'Age of the newest change of each batch when the store had it, since the log got it.',
    ['store'],
    SECONDS,
  );
  const retries = counter('retries_total', 'Batches that were offered again after a passing failure.', [
    'store',
  ]);
  const breaker = gauge('breaker_open', '1 while the store does not take what it is offered.', ['store']);
  const events = counter('group_events_total', 'What became of the membership in the consumer group.', [
    'store',
    'event',
  ]);
  const lagRecords = gauge('lag_records', 'Records that the store has yet to commit.', [
    'store',
    'kind',
    'partition',
  ]);
  const lagSeconds = gauge('lag_seconds', 'How long the oldest of these records has been waiting.', [
    'store',
    'kind',
    'partition',
  ]);
  const age = gauge(
    'progress_age_seconds',
    'Since the last batch was dealt with; bad only while records wait.',
    ['store'],
    () => {
      const nowMs = clock.elapsedMs();
      for (const [store, atMs] of progressedMs) age.set({ store }, (nowMs - atMs) / 1_000);
    },
  );
  /** By store: the partitions whose lag is told. */
  const told = new Map<string, readonly LagReading[]>();

  return {
    follows: (store) => {
      progressedMs.set(store, clock.elapsedMs());
      for (const each of [consumed, applied, stale, deadLettered, bytes, retries]) each.inc({ store }, 0);
      for (const each of [batches, apply, delivery]) each.zero({ store });
      for (const event of GROUP_EVENTS) events.inc({ store, event }, 0);
      breaker.set({ store }, 0);
    },
    batch: (store, batch) => {
      progressedMs.set(store, clock.elapsedMs());
      consumed.inc({ store }, batch.received);
      applied.inc({ store }, batch.applied);
      stale.inc({ store }, batch.stale);
      deadLettered.inc({ store }, batch.refused);
      bytes.inc({ store }, batch.bytes);
      batches.observe({ store }, batch.received);
      apply.observe({ store }, batch.applyMs / 1_000);
      // Of different hosts' clocks: never below zero.
      delivery.observe({ store }, Math.max(0, clock.nowUs() / 1_000_000 - batch.newestMs / 1_000));
    },
    retried: (store) => retries.inc({ store }),
    breaker: (store, open) => breaker.set({ store }, open ? 1 : 0),
    group: (store, event) => events.inc({ store, event }),
    lag: (store, readings) => {
      for (const { kind, partition } of told.get(store) ?? []) {
        lagRecords.remove({ store, kind, partition });
        lagSeconds.remove({ store, kind, partition });
      }
      told.set(store, readings ?? []);
      for (const { kind, partition, records, seconds } of readings ?? []) {
        lagRecords.set({ store, kind, partition }, records);
        lagSeconds.set({ store, kind, partition }, seconds);
      }
    },
  };
}
