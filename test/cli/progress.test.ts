import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { Pace } from '../../cli/output/pace.ts';
import { bars } from '../../cli/output/progress-bars.ts';
import { plainLines } from '../../cli/output/progress-lines.ts';
import { Screen } from './screen.ts';

const KINDS = [
  { name: 'agent', total: 60_000, done: 0 },
  { name: 'relationship', total: 412_345, done: 100_000 },
  { name: 'experience', total: 5_123_456, done: 0 },
  { name: 'policy', total: 0, done: 0 },
];

/** A clock that the test owns; the timers that draw follow it. */
function fakeTime() {
  mock.timers.enable({ apis: ['setInterval'] });
  let nowMs = 0;
  return {
    clock: { elapsedMs: () => nowMs },
    pass(ms: number) {
      nowMs += ms;
      mock.timers.tick(ms);
    },
    [Symbol.dispose]: () => mock.timers.reset(),
  };
}

function draw(columns: number, rows?: number) {
  const time = fakeTime();
  const screen = new Screen(columns, rows);
  const view = bars(screen, time.clock);
  screen.write('Backfill 1.\n');
  view.start(KINDS);
  const move = (): void => {
    view.advance('agent', 1_000);
    view.advance('relationship', 10_000);
    time.pass(1_000);
  };
  for (let second = 0; second < 5; second++) move();
  return { screen, view, move, [Symbol.dispose]: time[Symbol.dispose] };
}

describe('bars', () => {
  it('fit a terminal of 80 columns with percent, counts, speed and the time that is left', () => {
    using drawn = draw(80);
    assert.deepEqual(drawn.screen.lines.slice(0, 6), [
      'Backfill 1.',
      '',
      '  agent          8%  ---------         5,000/60,000     800/s  1 min 9 s left',
      '  relationship  36%  ===------      150,000/412,345   8,000/s  32.8 s left',
      '  experience     0%  ---------          0/5,123,456',
      '  policy       100%  =========                  0/0            done',
    ]);
  });

  it('leave out what has no room rather than the time that is left', () => {
    using drawn = draw(40);
    assert.deepEqual(drawn.screen.lines.slice(2, 4), [
      '  agent          8%  1 min 9 s left',
      '  relationship  36%  32.8 s left',
    ]);
    drawn.screen.columns = 50;
    drawn.move();
    assert.match(drawn.screen.lines[3] ?? '', /38% {2}===-+ {2}30\.3 s left$/);
  });

  it('are never wider than the terminal, however narrow it becomes', () => {
    using drawn = draw(80);
    for (const columns of [60, 33, 12, 3]) {
      drawn.screen.columns = columns;
      drawn.move();
      assert.ok(drawn.screen.lines.every((line, row) => row === 0 || line.length < columns));
    }
  });

  it('leave what somebody else writes where it is, once, and are there once', () => {
    using drawn = draw(80);
    drawn.screen.write('{"level":40,"msg":"a line of the log"}\n');
    drawn.move();
    drawn.screen.write('^C\r\x1b[JStopping; once more stops at once.\n');
    drawn.move();
    drawn.view.stop();
    drawn.screen.write('changeover: Stopped.\n');
    const { lines } = drawn.screen;
    assert.deepEqual(lines.slice(0, 4), [
      'Backfill 1.',
      '{"level":40,"msg":"a line of the log"}',
      'Stopping; once more stops at once.',
      '',
    ]);
    assert.deepEqual(lines.slice(8), ['changeover: Stopped.', '']);
    assert.equal(lines.filter((line) => line.startsWith('  agent')).length, 1);
  });

  it('do not promise an end after they have ended', () => {
    using drawn = draw(80);
    drawn.view.stop();
    assert.doesNotMatch(drawn.screen.lines.join('\n'), /left/);
  });

  it('leave nothing behind on a screen with fewer lines than bars, and are all there at the end', () => {
    using drawn = draw(80, 4);
    assert.equal(drawn.screen.lines.filter((line) => line.startsWith('  agent')).length, 1);
    drawn.view.stop();
    assert.equal(drawn.screen.lines.filter((line) => line.startsWith('  policy')).length, 1);
  });
});

describe('a pace', () => {
  it('is that of the last while, and does not count the time before something moved', () => {
    let nowMs = 0;
    const pace = new Pace({ name: 'agent', total: 100_000, done: 0 }, { elapsedMs: () => nowMs });
    nowMs = 600_000;
    pace.advance(1_000);
    assert.deepEqual([pace.speed, pace.left], ['', ''], 'one moment is no speed');
    for (let second = 0; second < 10; second++) {
      nowMs += 1_000;
      pace.advance(1_000);
    }
    assert.deepEqual([pace.speed, pace.left], ['1,000/s', '1 min 29 s left']);
    for (let second = 0; second < 30; second++) {
      nowMs += 1_000;
      pace.advance(100);
    }
    assert.equal(pace.speed, '100/s');
    nowMs += 60_000;
    assert.deepEqual([pace.speed, pace.left], ['0/s', ''], 'nothing moves');
  });

  it('ends with the mean, which does not fade', () => {
    let nowMs = 0;
    const pace = new Pace({ name: 'agent', total: 300, done: 0 }, { elapsedMs: () => nowMs });
    for (let second = 0; second < 3; second++) {
      pace.advance(100);
      nowMs += 1_000;
    }
    nowMs += 60_000;
    assert.deepEqual([pace.speed, pace.left, pace.fraction], ['100/s', 'done', 1]);
  });
});

it('where there is no terminal, a line comes now and then, and one when something is done', () => {
  let nowMs = 0;
  const lines: string[] = [];
  const view = plainLines({ write: (text) => lines.push(text) }, { elapsedMs: () => nowMs });
  view.start([{ name: 'agent', total: 5_000, done: 0 }]);
  for (let second = 0; second < 6; second++) {
    view.advance('agent', 1_000);
    nowMs += 1_000;
  }
  assert.deepEqual(lines, [
    'agent: 3,000 of 5,000, 1,000/s, 2.0 s left\n',
    'agent: 5,000 of 5,000, 1,000/s, done\n',
  ]);
});
