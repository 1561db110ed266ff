/** What became of one batch, once everything in it had been dealt with. */
export interface BatchResult {
  readonly received: number;
  readonly applied: number;
  readonly stale: number;
  /** Of which no store will hear any more but through a dead letter. */
  readonly refused: number;
  readonly bytes: number;
  /** From the offer to the store's last answer, retries included. */
  readonly applyMs: number;
  /** When the log got the newest of the records, in ms since 1970. */
  readonly newestMs: number;
}

/** What a pipeline has done since it started: received = applied + stale + refused. */
export interface PipelineProgress {
  readonly received: number;
  readonly applied: number;
  readonly stale: number;
  readonly refused: number;
  readonly batches: number;
}

export const NO_PROGRESS: PipelineProgress = { received: 0, applied: 0, stale: 0, refused: 0, batches: 0 };

export function progressed(total: PipelineProgress, batch: BatchResult): PipelineProgress {
  return {
    received: total.received + batch.received,
    applied: total.applied + batch.applied,
    stale: total.stale + batch.stale,
    refused: total.refused + batch.refused,
    batches: total.batches + 1,
  };
}
