import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChangeoverError } from '../../core/errors.ts';
import { CONFIGURATION_NAMES, CONSTANT_NAMES, readArguments } from './arguments.ts';

function refused(...args: readonly string[]): string {
  try {
    readArguments(args);
  } catch (error) {
    assert.ok(error instanceof ChangeoverError);
    assert.equal(error.exitCode, 2);
    return error.message;
  }
  return assert.fail(`${args.join(' ')} is taken`);
}

describe('the command line of the specification', () => {
  it('takes every configuration, and bounds of ones own', () => {
    assert.deepEqual(readArguments([]).from, CONFIGURATION_NAMES);
    for (const name of CONFIGURATION_NAMES) assert.deepEqual(readArguments(['--from', name]).from, [name]);
    const given = CONSTANT_NAMES.flatMap((name, at) => [`--${name}`, `${at + 1}`]);
    assert.deepEqual(
      readArguments(given).constants,
      Object.fromEntries(CONSTANT_NAMES.map((name, at) => [name, at + 1])),
    );
  });

  it('takes no bound that is not a number', () => {
    for (const name of CONSTANT_NAMES)
      for (const text of ['NaN', 'abc', '', '1.5', '-1', '1e3', '99999999999999999999'])
        assert.match(refused(`--${name}=${text}`), new RegExp(`--${name}`));
    assert.match(refused('--keys=0'), /--keys/);
  });

  it('takes no name and no option that it does not have', () => {
    assert.match(refused('--from', 'relay-kiled'), /relay-kiled/);
    // Of every object, and no mutation.
    assert.match(refused('--mutation', 'toString'), /toString/);
    assert.match(refused('--form', 'clock'), /--form/);
    assert.match(refused('clock'), /clock/);
    assert.match(refused('--from'), /--from/);
  });
});
