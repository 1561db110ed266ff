import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refusedBy } from '../support/refused.ts';
import { HELP, readArguments } from './arguments.ts';
import { ALL_BUGS } from './bugs.ts';

const refused = refusedBy(readArguments);

describe('the command line of the simulation', () => {
  it('takes seeds, a bug and a handover, and a hundred seeds where it names none', () => {
    const { seed, seeds, from, bug, handover } = readArguments([]);
    assert.deepEqual([seed, seeds, from, bug, handover], [undefined, 100, 1, undefined, 'settled']);
    assert.equal(readArguments(['--seed', '17']).seed, 17);
    for (const name of ALL_BUGS) assert.equal(readArguments(['--bug', name]).bug, name);
  });

  it('takes no seed that is not a number', () => {
    for (const option of ['--seed', '--seeds', '--from'])
      for (const text of ['NaN', 'abc', '', '1.5', '-1', '1e3'])
        assert.match(refused(`${option}=${text}`).message, new RegExp(option));
    assert.match(refused('--seeds=0').message, /--seeds/);
  });

  it('names all bugs where there is not the one that was asked for', () => {
    const { message, hint = '' } = refused('--bug', 'nope');
    assert.match(message, /--bug.*nope/);
    for (const name of ALL_BUGS) {
      assert.ok(hint.includes(name));
      assert.ok(HELP.includes(name));
    }
  });

  it('takes no option and no handover that there is not', () => {
    assert.match(refused('--sede', '1').message, /--sede/);
    assert.match(refused('17').message, /17/);
    assert.match(refused('--handover', 'x').hint ?? '', /settled, leased, none/);
  });
});
