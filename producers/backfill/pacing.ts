import { idleMs } from '../../core/idle-time.ts';
import { Gate } from './gate.ts';
import type { BackfillOptions } from './options.ts';
import { Peers } from './peers.ts';
import type { RangeContext } from './range-worker.ts';
import { ScanLatency } from './scan-latency.ts';
import { Supervisor } from './supervisor.ts';
import { Throttle } from './throttle.ts';
import { pressureSources, UNWATCHED } from './watch.ts';

/** How little a kind is slowed down to, at most: enough to find out that it need not be slow any more. */
const LEAST_CHUNKS_PER_SECOND = 0.2;

export interface Pacing {
  readonly supervisor: Supervisor;
  readonly context: Pick<RangeContext, 'gate' | 'latency' | 'onChunk'>;
  /** The move of one range, which counts while it lasts. */
  during<T>(move: () => Promise<T>): Promise<T>;
}

/** What sets the pace of a run, and what the ranges have to do with it. */
export function paceOf(options: BackfillOptions, generation: number): Pacing {
  const { sources, log, clock, batchSize, writer, watch = UNWATCHED, onChunk, shared = false } = options;
  const perSecond = options.ratePerSecond ?? Number.POSITIVE_INFINITY;
  const kinds = sources.map(({ kind }) => kind);
  const stores = new Map(sources.map(({ kind, store }) => [kind, store]));
  const leastPerSecond = batchSize * LEAST_CHUNKS_PER_SECOND;
  const gate = new Gate(kinds, clock, perSecond);
  const throttle = new Throttle(kinds, leastPerSecond);
  const latency = new ScanLatency({
    clock,
    idleMs,
    storeOf: (kind) => stores.get(kind) ?? '',
    maxSlowdown: watch.maxOriginSlowdown,
    onScan: options.onScan ?? (() => {}),
  });
  let moved = 0;
  let ranges = 0;
  const supervisor = new Supervisor({
    control: log.control,
    clock,
    gate,
    throttle,
    sources: [latency, ...pressureSources(watch, { log, clock, kinds, leastPerSecond })],
    perSecond,
    writer,
    generation,
    published: () => moved,
    ranges: () => ranges,
    peers: shared ? new Peers(writer) : undefined,
    onState: options.onState ?? (() => {}),
  });
  return {
    supervisor,
    context: {
      gate,
      latency,
      onChunk: (kind, published, rejected) => {
        moved += published;
        throttle.published(kind, published);
        onChunk(kind, published, rejected);
      },
    },
    async during(move) {
      ranges += 1;
      try {
        return await move();
      } finally {
        ranges -= 1;
      }
    },
  };
}

/** The work, under supervision. */
export async function beside<T>(supervisor: Supervisor, work: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const supervising = supervisor.run(over.signal);
  try {
    return await work();
  } finally {
    over.abort();
    await supervising;
  }
}
