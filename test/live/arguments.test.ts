import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChangeoverError } from '../../core/errors.ts';
import { readArguments } from './arguments.ts';
import { WAYS_OF } from './writer-options.ts';

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

describe('the command line of the kill test', () => {
  it('takes what it says, and the ways of each store', () => {
    const { kills, seed, ratePerSecond, ways } = readArguments([]);
    assert.deepEqual([kills, seed, ratePerSecond, ways], [200, 1, 60, WAYS_OF]);
    assert.deepEqual(readArguments(['--neo4j', 'cypher,shim']).ways.neo4j, ['cypher', 'shim']);
  });

  it('takes no number that is not one', () => {
    for (const option of ['kills', 'seed', 'rate'])
      for (const text of ['NaN', 'abc', '', '1.5', '-1', '1e3', '99999999999999999999'])
        assert.match(refused(`--${option}=${text}`), new RegExp(`--${option}`));
    assert.match(refused('--kills=0'), /--kills/);
    assert.match(refused('--rate=0'), /--rate/);
  });

  it('takes no way that the store does not have, and no option that there is not', () => {
    assert.match(refused('--redis', 'cypher'), /cypher/);
    assert.match(refused('--dictionary', 'intercept'), /intercept/);
    assert.match(refused('--neo4j', ''), /--neo4j/);
    assert.match(refused('--kill', '3'), /--kill/);
    assert.match(refused('3'), /3/);
    assert.match(refused('--kills'), /--kills/);
  });
});
