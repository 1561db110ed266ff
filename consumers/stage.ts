import type { Outcome } from '../connectors/connector.ts';
import type { LogRecord } from '../log/log.ts';
import type { Change } from '../schemas/change.ts';

/** A change and where in the log it stands. */
export interface Received {
  readonly record: LogRecord;
  readonly change: Change;
}

/** Applies a batch and answers one outcome per change, in their order. */
export type Apply = (batch: readonly Received[], signal: AbortSignal) => Promise<readonly Outcome[]>;

/**
 * What stands between the log and the sink is a chain of small stages, each with one job: try again what may pass, skip what
 * the store already has. A stage wraps the next one.
 */
export type Stage = (next: Apply) => Apply;

/** The chain: the first stage is the outermost. */
export function chain(stages: readonly Stage[], innermost: Apply): Apply {
  return stages.reduceRight((next, stage) => stage(next), innermost);
}
