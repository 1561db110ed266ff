import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refusedBy } from '../support/refused.ts';
import { CONFIGURATION_NAMES, CONSTANT_NAMES, readArguments } from './arguments.ts';

const refused = refusedBy(readArguments);

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
        assert.match(refused(`--${name}=${text}`).message, new RegExp(`--${name}`));
    assert.match(refused('--keys=0').message, /--keys/);
  });

  it('takes no name and no option that it does not have', () => {
    assert.match(refused('--from', 'relay-kiled').message, /relay-kiled/);
    // Of every object, and no mutation.
    assert.match(refused('--mutation', 'toString').message, /toString/);
    assert.match(refused('--form', 'clock').message, /--form/);
    assert.match(refused('clock').message, /clock/);
    assert.match(refused('--from').message, /--from/);
  });
});
