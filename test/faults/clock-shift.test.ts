import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { CLOCK_SHIFT_ENV, type ClockShift } from './clock-faults.ts';

const PRELOAD = new URL('clock-shift.ts', import.meta.url).href;
const CLOCK = new URL('../../core/clock.ts', import.meta.url).href;
const HOUR_MS = 3_600_000;

/** Waits a moment and prints what every clock of the process says, in ms. */
const PROGRAM = `
  import { systemClock } from ${JSON.stringify(CLOCK)};
  await new Promise((resolve) => setTimeout(resolve, 200));
  console.log(JSON.stringify([Date.now(), new Date().getTime(), systemClock.nowUs() / 1_000, Date.parse(Date())]));
`;

describe('the clock of a process that a fault sets back', () => {
  for (const afterMs of [0, 50]) {
    it(`is wrong ${afterMs === 0 ? 'from the beginning' : 'after a while'}, in every way in which it is asked`, () => {
      const shift: ClockShift = { shiftMs: -HOUR_MS, afterMs };
      const said = execFileSync(
        process.execPath,
        [`--import=${PRELOAD}`, '--input-type=module', '--eval', PROGRAM],
        { encoding: 'utf8', env: { ...process.env, [CLOCK_SHIFT_ENV]: JSON.stringify(shift) } },
      );
      for (const each of JSON.parse(said) as readonly number[]) {
        const behindMs = Date.now() - each;
        assert.ok(behindMs > HOUR_MS - 1_000 && behindMs < HOUR_MS + 60_000, `${behindMs} ms behind`);
      }
    });
  }
});
