import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Kind } from '../schemas/kinds.ts';
import type { Gate } from './gate.ts';
import type { ItemResult } from './results.ts';

export interface IngestMetrics {
  /** `kind` is undefined where the item was too wrong to have one. */
  onItem(kind: Kind | undefined, status: ItemResult['status']): void;
  onAnswer(status: number, seconds: number): void;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function registerIngestMetrics(registry: Registry, gate: Gate): IngestMetrics {
  const registers = [registry];
  const items = new Counter({
    name: 'changeover_ingest_changes_total',
    help: 'Changes that came by HTTP, by kind and what became of them.',
    labelNames: ['kind', 'status'],
    registers,
  });
  const requests = new Histogram({
    name: 'changeover_ingest_request_seconds',
    help: 'Time to answer a request with changes, by HTTP status.',
    labelNames: ['status'],
    buckets: SECONDS,
    registers,
  });
  new Gauge({
    name: 'changeover_ingest_requests_in_flight',
    help: 'Requests with changes that are under way.',
    registers,
    collect() {
      this.set(gate.requests);
    },
  });
  new Gauge({
    name: 'changeover_ingest_bytes_in_flight',
    help: 'Bytes of bodies that are under way.',
    registers,
    collect() {
      this.set(gate.bytes);
    },
  });
  return {
    onItem: (kind = 'unknown' as Kind, status) => items.inc({ kind, status }),
    onAnswer: (status, seconds) => requests.observe({ status }, seconds),
  };
}
