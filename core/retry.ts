import { type Clock, systemClock } from './clock.ts';
import { isRetryable } from './errors.ts';

export interface RetryPolicy {
  /** How often the work is tried in all. `Infinity` is for work that must not be given up. */
  readonly attempts: number;
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
}

export interface RetryOptions {
  readonly policy?: Partial<RetryPolicy>;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  /** Says whether trying again can help; by default, whether the error says so of itself. */
  readonly retryable?: (error: unknown) => boolean;
  readonly onRetry?: (error: unknown, attempt: number, delayMs: number) => void;
}

const DEFAULT_POLICY: RetryPolicy = { attempts: 5, initialDelayMs: 50, maxDelayMs: 5_000 };

/**
 * Tries the work again, with exponential back-off and full jitter, while the error is retryable. The last error is
 * thrown as it is. Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export async function retry<T>(
  work: (attempt: number) => Promise<T>,
  options: RetryOptions = {},
): Promise<T> {
  const policy = { ...DEFAULT_POLICY, ...options.policy };
  const clock = options.clock ?? systemClock;
  const retryable = options.retryable ?? isRetryable;
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= policy.attempts || !retryable(error)) throw error;
      const ceilingMs = Math.min(policy.maxDelayMs, policy.initialDelayMs * 2 ** (attempt - 1));
      const delayMs = Math.random() * ceilingMs;
      options.onRetry?.(error, attempt, delayMs);
      await clock.sleep(delayMs, options.signal);
    }
  }
}
