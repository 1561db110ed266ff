import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refusedBy } from '../support/refused.ts';
import { readArguments } from './arguments.ts';
import { WAYS_OF } from './writer-options.ts';

const refused = refusedBy(readArguments);

describe('the command line of the kill test', () => {
  it('takes what it says, and the ways of each store', () => {
    const { kills, seed, ratePerSecond, ways } = readArguments([]);
    assert.deepEqual([kills, seed, ratePerSecond, ways], [200, 1, 60, WAYS_OF]);
    assert.deepEqual(readArguments(['--neo4j', 'cypher,shim']).ways.neo4j, ['cypher', 'shim']);
  });

  it('takes no number that is not one', () => {
    for (const option of ['kills', 'seed', 'rate'])
      for (const text of ['NaN', 'abc', '', '1.5', '-1', '1e3', '99999999999999999999'])
        assert.match(refused(`--${option}=${text}`).message, new RegExp(`--${option}`));
    assert.match(refused('--kills=0').message, /--kills/);
    assert.match(refused('--rate=0').message, /--rate/);
  });

  it('takes no way that the store does not have, and no option that there is not', () => {
    assert.match(refused('--redis', 'cypher').message, /cypher/);
    assert.match(refused('--dictionary', 'intercept').message, /intercept/);
    assert.match(refused('--neo4j', '').message, /--neo4j/);
    assert.match(refused('--kill', '3').message, /--kill/);
    assert.match(refused('3').message, /3/);
    assert.match(refused('--kills').message, /--kills/);
  });
});
