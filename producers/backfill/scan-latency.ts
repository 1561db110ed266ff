import type { ScanChunk } from '../../connectors/connector.ts';
import type { Clock } from '../../core/clock.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Pressure, PressureSource } from './pressure.ts';

/** The middle one of so many chunks is what the origin takes now: one that was slow says nothing. */
const RECENT = 9;
/** Quicker than this is quick, however quick it was before. */
const QUICK_MS = 100;
/** Of what was measured longer ago nothing is concluded. */
const FRESH_FOR_MS = 10_000;
/** What is usual may change for good, in the course of some hundred chunks. */
const DRIFT = 1.002;

interface KindLatency {
  readonly recent: number[];
  usualMs: number;
  atMs: number;
}

export interface ScanLatencyOptions {
  readonly clock: Pick<Clock, 'elapsedMs'>;
  /** How long this process has had nothing to do, in all. */
  readonly idleMs: () => number;
  readonly storeOf: (kind: Kind) => string;
  /** So many times as long as usual is too long; 0 for never. */
  readonly maxSlowdown: number;
  /** Told of the whole time. */
  readonly onScan: (kind: Kind, ms: number) => void;
}

/**
 * How long the origin takes for one chunk, by the backfill's own scans, against the best that it did for this kind: an origin
 * that has become slow has others to serve. Only the time counts in which this process was idle: while it decodes and
 * encodes, an answer lies there and waits, and that is not the origin's doing.
 */
export class ScanLatency implements PressureSource {
  readonly #options: ScanLatencyOptions;
  readonly #kinds = new Map<Kind, KindLatency>();

  constructor(options: ScanLatencyOptions) {
    this.#options = options;
  }

  async *timed<K extends Kind>(kind: K, chunks: AsyncIterable<ScanChunk<K>>): AsyncGenerator<ScanChunk<K>> {
    const { clock, idleMs, onScan } = this.#options;
    const iterator = chunks[Symbol.asyncIterator]();
    try {
      for (;;) {
        const [startedMs, idleBeforeMs] = [clock.elapsedMs(), idleMs()];
        const { done, value } = await iterator.next();
        if (done === true) return;
        onScan(kind, clock.elapsedMs() - startedMs);
        this.took(kind, idleMs() - idleBeforeMs);
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  /** The origin has had this process wait for so long. */
  took(kind: Kind, ms: number): void {
    const { clock } = this.#options;
    const latency = this.#kinds.get(kind) ?? { recent: [], usualMs: Number.POSITIVE_INFINITY, atMs: 0 };
    this.#kinds.set(kind, latency);
    latency.recent.push(ms);
    latency.atMs = clock.elapsedMs();
    if (latency.recent.length > RECENT) latency.recent.shift();
    if (latency.recent.length === RECENT) {
      latency.usualMs = Math.min(latency.usualMs * DRIFT, middleOf(latency.recent));
    }
  }

  async read(): Promise<readonly Pressure[]> {
    const { clock, maxSlowdown, storeOf } = this.#options;
    if (maxSlowdown === 0) return [];
    return Array.from(this.#kinds).flatMap(([kind, { recent, usualMs, atMs }]): readonly Pressure[] => {
      if (recent.length < RECENT || clock.elapsedMs() - atMs > FRESH_FOR_MS) return [];
      const nowMs = middleOf(recent);
      if (nowMs <= QUICK_MS || nowMs <= maxSlowdown * usualMs) return [];
      const [now, usual] = [Math.round(nowMs), Math.round(usualMs)];
      const text = `${storeOf(kind)} takes ${now} ms for a chunk of ${kind}, usually ${usual} ms`;
      return [{ reason: 'origin', kinds: [kind], text }];
    });
  }
}

function middleOf(numbers: readonly number[]): number {
  return numbers.toSorted((left, right) => left - right)[Math.floor(numbers.length / 2)] ?? 0;
}
