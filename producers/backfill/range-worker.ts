import type { RejectedItem, Source, SourceRow } from '../../connectors/connector.ts';
import { byHalves } from '../../core/by-halves.ts';
import type { Clock } from '../../core/clock.ts';
import type { RetryPolicy } from '../../core/retry.ts';
import type { ControlTopic, Publisher } from '../../log/log.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';
import type { RangeFact } from './facts.ts';
import type { Gate } from './gate.ts';
import { RangeProgress } from './range-progress.ts';
import { ReadFailure, readAhead } from './read-ahead.ts';
import { type ReadContext, readChange } from './read-change.ts';
import type { ScanLatency } from './scan-latency.ts';

export interface RangeWork<K extends Kind> {
  readonly kind: K;
  readonly source: Source;
  readonly range: ScanRange;
  /** Where the fact about this range stands in the control topic. */
  readonly subject: string;
  /** How far it had come. */
  readonly fact: RangeFact;
}

export interface RangeContext {
  readonly publisher: Publisher;
  readonly control: ControlTopic;
  /** Where each chunk waits for its turn. */
  readonly gate: Gate;
  /** Times the scans. */
  readonly latency: ScanLatency;
  readonly clock: Clock;
  readonly batchSize: number;
  readonly retryPolicy: Partial<RetryPolicy>;
  readonly readContextOf: (kind: Kind) => ReadContext;
  readonly onChunk: (kind: Kind, published: number, rejected: readonly RejectedItem[]) => void;
}

/**
 * While one chunk is on its way into the log the next ones follow it, so that what goes to one partition goes in few
 * large requests. More would cost memory and gain nothing.
 */
const CHUNKS_IN_FLIGHT = 4;
/** How long one that is stopped waits for what is under way, so that whoever goes on need not publish it again. */
const LET_GO_WITHIN_MS = 5_000;

/**
 * Moves one range into the log: read a chunk, publish it, write down how far the log has confirmed, in this order. A
 * rest that cannot be read is a *hole*, written down with its reason. The publisher's errors are not the range's: they
 * end the run.
 */
export async function moveRange<K extends Kind>(
  { kind, source, range, subject, fact }: RangeWork<K>,
  context: RangeContext,
  signal: AbortSignal,
): Promise<RangeFact> {
  const { publisher, control, gate, latency, clock, batchSize, retryPolicy, readContextOf, onChunk } =
    context;
  const chunks = readAhead<K>({
    open: (after) =>
      latency.timed(kind, source.scan(kind, { after, until: range.until }, { limit: batchSize, signal })),
    after: fact.last ?? range.after,
    policy: retryPolicy,
    clock,
    signal,
  });
  const progress = new RangeProgress({
    control,
    subject,
    fact,
    maxInFlight: CHUNKS_IN_FLIGHT,
    onConfirmed: (published, rejected) => onChunk(kind, published, rejected),
  });
  try {
    for await (const chunk of chunks) {
      await gate.take(kind, chunk.rows.length, signal);
      await publisher.ready();
      await progress.add(chunk, publishRows(kind, chunk.rows, readContextOf(kind), publisher));
    }
  } catch (error) {
    if (signal.aborted) await settledWithin(progress, clock);
    if (!(error instanceof ReadFailure)) throw error;
    return progress.finish({ status: 'hole', reason: error.message });
  }
  return progress.finish({ status: 'done' });
}

async function settledWithin(progress: RangeProgress, clock: Clock): Promise<void> {
  const over = new AbortController();
  await Promise.race([progress.settle(), clock.sleep(LET_GO_WITHIN_MS, over.signal).catch(() => {})]);
  over.abort();
}

/** Publishes rows of distinct keys, and answers which of them the log does not take (too large, for instance). */
async function publishRows<K extends Kind>(
  kind: K,
  rows: readonly SourceRow<K>[],
  context: ReadContext,
  publisher: Publisher,
): Promise<readonly RejectedItem[]> {
  const refused: RejectedItem[] = [];
  await byHalves(
    rows,
    (some) => publisher.publish(some.map((row) => readChange(kind, row, context))),
    ({ key }, { message }) =>
      refused.push({ where: `${context.origin.store}: ${kind} ${key}`, reason: message }),
  );
  return refused;
}
