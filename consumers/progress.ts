import type { Stage } from './stage.ts';

/** What a pipeline has done since it started. */
export interface PipelineProgress {
  readonly received: number;
  readonly applied: number;
  readonly stale: number;
  readonly batches: number;
}

export const NO_PROGRESS: PipelineProgress = { received: 0, applied: 0, stale: 0, batches: 0 };

/** Tells `report` the new totals after each batch that the store confirmed. */
export function countOutcomes(report: (progress: PipelineProgress) => void): Stage {
  let total = NO_PROGRESS;
  return (next) => async (batch, signal) => {
    const outcomes = await next(batch, signal);
    const applied = outcomes.filter((outcome) => outcome.status === 'applied').length;
    const stale = outcomes.filter((outcome) => outcome.status === 'stale').length;
    total = {
      received: total.received + batch.length,
      applied: total.applied + applied,
      stale: total.stale + stale,
      batches: total.batches + 1,
    };
    report(total);
    return outcomes;
  };
}
