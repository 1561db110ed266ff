import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { systemClock } from '../../core/clock.ts';

const HOUR_MS = 3_600_000;

/** The host's clock is set while the clock of durations goes on. */
function setHostClock(t: TestContext, byMs: number): void {
  const { now } = Date;
  t.mock.method(Date, 'now', () => now() + byMs);
}

const apartMs = (): number => Math.abs(systemClock.nowUs() / 1_000 - Date.now());

describe('the wall clock', () => {
  for (const [what, byMs] of [
    ['is set ahead, or has slept', HOUR_MS],
    ['is set back', -HOUR_MS],
  ] as const) {
    it(`follows the host when that ${what}, and comes back with it`, (t) => {
      assert.ok(apartMs() < 10);
      setHostClock(t, byMs);
      assert.ok(apartMs() < 10);
      t.mock.restoreAll();
      assert.ok(apartMs() < 10);
    });
  }

  it('tells microseconds apart, and goes forwards while nobody sets it', () => {
    const times = Array.from({ length: 20_000 }, () => systemClock.nowUs());
    assert.ok(times.every(Number.isSafeInteger));
    assert.deepEqual(
      times.toSorted((one, other) => one - other),
      times,
    );
    assert.ok(new Set(times.map((time) => time % 1_000)).size > 100);
  });
});
