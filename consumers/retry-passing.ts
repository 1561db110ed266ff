import type { Outcome } from '../connectors/connector.ts';
import type { Clock } from '../core/clock.ts';
import { ChangeoverError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { retry } from '../core/retry.ts';
import { chunked } from '../core/sequence.ts';
import type { Stage } from './stage.ts';

export interface RetryPassingOptions {
  readonly store: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onBreaker: (state: BreakerState) => void;
  readonly onRetry: () => void;
}

/** Open while the store does not take what it is offered: each attempt is a question whether it is back. */
export type BreakerState = 'closed' | 'open';

const POLICY = { attempts: Number.POSITIVE_INFINITY, initialDelayMs: 100, maxDelayMs: 5_000 } as const;
/** So many failures in a row; one alone is a lost connection. */
const OPEN_AFTER = 3;
/** A store that is down for hours is not worth a line every five seconds. */
const WARN_EVERY_MS = 30_000;

/**
 * Offers a batch again for as long as the store fails for a reason that may pass, with jitter, for ever: such a failure is
 * nobody's dead letter. Offering all of it again is safe. The membership in the group is kept alive meanwhile by the
 * subscription, and other stores' pipelines go on.
 */
export function retryPassing(options: RetryPassingOptions): Stage {
  const { store, clock, logger, onBreaker, onRetry } = options;
  let breaker: BreakerState = 'closed';
  let warnedMs = Number.NEGATIVE_INFINITY;
  const turn = (state: BreakerState): void => {
    if (breaker === state) return;
    breaker = state;
    onBreaker(state);
  };
  return (next) => async (batch, signal) => {
    // What took too long as one is offered in smaller parts: what was applied already is applied, whoever asks again.
    let partSize = batch.length;
    const offer = async (): Promise<readonly Outcome[]> => {
      const outcomes: Outcome[] = [];
      for (const part of chunked(batch, partSize)) outcomes.push(...(await next(part, signal)));
      return outcomes;
    };
    const outcomes = await retry(offer, {
      policy: POLICY,
      clock,
      signal,
      onRetry: (error, attempt) => {
        onRetry();
        if (error instanceof ChangeoverError && error.code === 'timeout') partSize = Math.ceil(partSize / 2);
        if (attempt >= OPEN_AFTER) turn('open');
        const nowMs = clock.elapsedMs();
        if (nowMs - warnedMs < WARN_EVERY_MS) return;
        warnedMs = nowMs;
        logger.warn({ store, attempt, reason: messageOf(error) }, 'the store does not take changes; waiting');
      },
    }).catch((error: unknown) => {
      // Whoever has these partitions now finds out by itself whether the store takes changes.
      turn('closed');
      warnedMs = Number.NEGATIVE_INFINITY;
      throw error;
    });
    if (breaker === 'open') {
      warnedMs = Number.NEGATIVE_INFINITY;
      logger.warn({ store }, 'the store takes changes again');
    }
    turn('closed');
    return outcomes;
  };
}
