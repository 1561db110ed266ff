import assert from 'node:assert/strict';
import { ChangeoverError, type ErrorCode } from '../../core/errors.ts';

interface Expected {
  readonly code: ErrorCode;
  readonly says: RegExp;
  readonly retryable?: boolean;
  /** What to do. */
  readonly hint?: RegExp;
}

/** Holds what a store throws against what an operator needs: our kind of error, one line, what to do. */
export async function assertError(
  work: Promise<unknown>,
  { code, says, retryable, hint }: Expected,
): Promise<void> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ChangeoverError, `not one of our errors: ${error}`);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, says);
  assert.match(error.message, /^[^\n]{1,500}$/, 'one line');
  if (code !== 'conflict') assert.ok(error.hint !== undefined, 'says what to do');
  if (hint !== undefined) assert.match(error.hint ?? '', hint);
  if (retryable !== undefined) assert.equal(error.retryable, retryable);
}
