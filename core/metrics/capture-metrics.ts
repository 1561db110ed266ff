import type { Registry } from 'prom-client';
import { declareIn } from './declare.ts';

/** What an outbox says of itself (a `CaptureStatus` is one). */
export interface OutboxReading {
  readonly active: boolean;
  readonly entries: number;
  /** When the oldest of them was captured, in µs since 1970. */
  readonly oldestUs: number | null;
  readonly maxEntries: number;
  readonly setAside: number;
  readonly lostSinceUs: number | null;
}

export type WriteOutcome = 'written' | 'repeated' | 'rejected' | 'failed';

/** The live side: outboxes, relays, captured writes. Each is labelled with the store's name. */
export interface CaptureMetrics {
  outboxRead(store: string, reading: OutboxReading, nowUs: number): void;
  relayHolds(store: string, holding: boolean): void;
  relayPublished(store: string, entries: number, again: number): void;
  relayDiscarded(store: string, entries: number): void;
  relaySetAside(store: string): void;
  captureWrites(store: string, outcome: WriteOutcome, writes: number): void;
}

export function createCaptureMetrics(registry: Registry): CaptureMetrics {
  const declare = declareIn(registry);
  const gauge = (name: string, help: string) => declare.gauge(name, help, ['store']);
  const counter = <L extends string>(name: string, help: string, ...labels: readonly L[]) =>
    declare.counter(name, help, ['store', ...labels]);

  const entries = gauge('outbox_entries', 'Captured writes that the log has not confirmed.');
  const oldest = gauge(
    'outbox_oldest_entry_age_seconds',
    'How long the oldest entry of the outbox has been waiting for the log.',
  );
  const bound = gauge('outbox_max_entries', 'Entries from which on the outbox counts as full.');
  const aside = gauge('outbox_set_aside_entries', 'Entries that the log cannot take; they are kept.');
  const active = gauge('capture_active', '1 while writes of the application are captured.');
  const lost = gauge('capture_lost', '1 when writes went uncaptured: a new backfill is needed.');
  const holds = gauge('relay_claim_held', '1 while the relay of this process drains the outbox.');
  const published = counter('relay_published_total', 'Entries that the log has confirmed.');
  const republished = counter(
    'relay_republished_total',
    'Confirmed entries that this relay had offered to the log before.',
  );
  const discarded = counter('relay_discarded_total', 'Confirmed entries that have left the outbox.');
  const setAside = counter('relay_set_aside_total', 'Entries that this relay has set aside.');
  const writes = counter(
    'capture_writes_total',
    'Writes of the application by what became of them.',
    'outcome',
  );

  return {
    outboxRead: (store, reading, nowUs) => {
      entries.set({ store }, reading.entries);
      // Of different hosts' clocks: never below zero.
      const ageUs = reading.oldestUs === null ? 0 : Math.max(0, nowUs - reading.oldestUs);
      oldest.set({ store }, ageUs / 1_000_000);
      bound.set({ store }, reading.maxEntries);
      aside.set({ store }, reading.setAside);
      active.set({ store }, reading.active ? 1 : 0);
      lost.set({ store }, reading.lostSinceUs === null ? 0 : 1);
    },
    relayHolds: (store, holding) => holds.set({ store }, holding ? 1 : 0),
    relayPublished: (store, count, again) => {
      published.inc({ store }, count);
      republished.inc({ store }, again);
    },
    relayDiscarded: (store, count) => discarded.inc({ store }, count),
    relaySetAside: (store) => setAside.inc({ store }),
    captureWrites: (store, outcome, count) => writes.inc({ store, outcome }, count),
  };
}
