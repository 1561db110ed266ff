import { ChangeoverError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { OnFailure } from './options.ts';
import type { ShimResult } from './route-writes.ts';
import type { WriteName } from './statement.ts';

/** Is told what became of each write, to count it. */
export interface ShimObserver {
  onResult(kind: Kind, result: ShimResult): void;
}

/** A batch of which some writes were not made. `results` says what became of each, in the order of the writes. */
export class BatchError extends ChangeoverError {
  readonly results: readonly ShimResult[];

  constructor(first: ChangeoverError, notMade: number, results: readonly ShimResult[]) {
    const message = `${notMade} of ${results.length} writes were not made, the first because: ${first.message}`;
    super(first.code, message, {
      retryable: first.retryable,
      cause: first,
      ...(first.hint === undefined ? {} : { hint: first.hint }),
    });
    this.name = 'BatchError';
    this.results = results;
  }
}

export interface FailurePolicy {
  readonly onFailure: OnFailure;
  readonly logger: Logger;
  readonly observer?: ShimObserver | undefined;
}

/** The error of a write that was not made, or undefined where it was. */
export function errorOf(write: WriteName, result: ShimResult): ChangeoverError | undefined {
  const what = `${write.kind} ${write.key}`;
  switch (result.status) {
    case 'written':
    case 'repeated':
      return undefined;
    case 'rejected':
      return new ChangeoverError('change-rejected', `Not written: ${what}: ${result.reason}`, {
        hint: 'Nothing of it was written. Correct the entity; trying again will not help.',
      });
    case 'failed': {
      const { error } = result;
      const outcome = error.code === 'outbox-full' ? 'Not written' : 'Not confirmed';
      return new ChangeoverError(error.code, `${outcome}: ${what}: ${error.message}`, {
        retryable: error.retryable,
        cause: error,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
    default:
      return result satisfies never;
  }
}

/** Counts, then raises or logs what was not made. Answers the errors of a batch; there are none under `log`. */
export function settle(
  writes: readonly WriteName[],
  results: readonly ShimResult[],
  { onFailure, logger, observer }: FailurePolicy,
): readonly ChangeoverError[] {
  const errors: ChangeoverError[] = [];
  for (const [index, write] of writes.entries()) {
    const result = results[index];
    if (result === undefined) continue;
    observer?.onResult(write.kind, result);
    const error = errorOf(write, result);
    if (error === undefined) continue;
    errors.push(error);
    if (onFailure === 'log') {
      const { kind, key, eventId } = write;
      logger.error({ kind, key, eventId, status: result.status, code: error.code }, error.message);
    }
  }
  return onFailure === 'raise' ? errors : [];
}
