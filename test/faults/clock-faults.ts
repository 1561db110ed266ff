import { fileURLToPath } from 'node:url';
import type { Role } from '../live/plan.ts';
import type { Fault } from './fault.ts';

export const CLOCK_SHIFT_ENV = 'FAULTS_CLOCK_SHIFT';
export interface ClockShift {
  readonly shiftMs: number;
  /** After the start of the process. */
  readonly afterMs: number;
}

const HOUR_MS = 3_600_000;
const JUMPS_AFTER_MS = 6_000;
const HOLD_MS = 6_000;
const PRODUCING: readonly Role[] = ['writer', 'relay', 'backfill'];

export const CLOCK_FAULTS: readonly Fault[] = [
  {
    name: 'clock set back an hour: of running and of new producers',
    strike: async ({ lives, pause, environment }) => {
      const startAgain = (): void => {
        for (const role of PRODUCING) for (const each of lives(role)) each.strike('SIGKILL');
      };
      const preload = fileURLToPath(new URL('clock-shift.ts', import.meta.url));
      environment.set('NODE_OPTIONS', `${process.env.NODE_OPTIONS ?? ''} --import=${preload}`);
      for (const afterMs of [JUMPS_AFTER_MS, 0]) {
        environment.set(CLOCK_SHIFT_ENV, JSON.stringify({ shiftMs: -HOUR_MS, afterMs } satisfies ClockShift));
        startAgain();
        await pause(afterMs + HOLD_MS);
      }
      environment.clear();
      startAgain();
    },
  },
];
