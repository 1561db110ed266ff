import assert from 'node:assert/strict';
import { ChangeoverError } from '../../core/errors.ts';

/** Answers the error with which a program refuses a command line; fails where it is none of ours, or no matter of usage. */
export function refusedBy(
  read: (args: readonly string[]) => unknown,
): (...args: readonly string[]) => ChangeoverError {
  return (...args) => {
    try {
      read(args);
    } catch (error) {
      assert.ok(error instanceof ChangeoverError);
      assert.equal(error.exitCode, 2);
      return error;
    }
    return assert.fail(`${args.join(' ')} is taken`);
  };
}
