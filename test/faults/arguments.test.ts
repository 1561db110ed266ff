import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refusedBy } from '../support/refused.ts';
import { readArguments } from './arguments.ts';
import { FAULTS } from './catalogue.ts';

const NAMES = FAULTS.map(({ name }) => name);

const refused = refusedBy((args) => readArguments(args, NAMES));

describe('the command line of the fault suite', () => {
  it('takes every fault by its name, and all of them where it names none', () => {
    assert.deepEqual(readArguments([`--only=${NAMES.join(',')}`], NAMES).names, NAMES);
    const { names, seed, ratePerSecond } = readArguments([], NAMES);
    assert.deepEqual([names, seed, ratePerSecond], [undefined, 1, 40]);
  });

  it('takes no seed and no rate that is not a number', () => {
    for (const text of ['NaN', 'abc', '', '1.5', '-1', '1e3', '0x10', '99999999999999999999']) {
      assert.match(refused(`--seed=${text}`).message, /--seed/);
      assert.match(refused(`--rate=${text}`).message, /--rate/);
    }
    assert.match(refused('--rate=0').message, /--rate/);
  });

  it('takes no option that it does not have', () => {
    assert.match(refused('--onyl', 'x').message, /--onyl/);
    assert.match(refused('kill').message, /kill/);
  });

  it('names those that are near a fault that there is not', () => {
    const hint = (name: string): string => refused('--only', name).hint ?? '';
    assert.match(hint('kill -9 rdeis'), /kill -9 redis/);
    assert.match(hint('duplicates'), /duplicates: records three times/);
    assert.match(hint('duplicate'), /duplicates: records three times/);
    assert.match(hint('full disk'), /full disk: postgres/);
    assert.match(hint('zzz'), /--list/);
    assert.match(hint(''), /--list/);
  });
});
