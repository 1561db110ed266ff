import { fileURLToPath } from 'node:url';
import { createCodec } from '../../schemas/codec.ts';
import type { Role } from '../live/plan.ts';
import type { Fault, World } from './fault.ts';
import { ALL_KINDS } from './log-meddler.ts';
import { Proof } from './proof.ts';

export const CLOCK_SHIFT_ENV = 'FAULTS_CLOCK_SHIFT';
export interface ClockShift {
  readonly shiftMs: number;
  /** After the start of the process. */
  readonly afterMs: number;
}

const HOUR_MS = 3_600_000;
const JUMPS_AFTER_MS = 6_000;
const HOLD_MS = 6_000;
const CAPTURED_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 1_000;
const PRODUCING: readonly Role[] = ['writer', 'relay', 'backfill'];

export const CLOCK_FAULTS: readonly Fault[] = [
  {
    name: 'clock set back an hour: of running and of new producers',
    outOfReach: {},
    strike: async (world) => {
      const { lives, pause, environment } = world;
      const startAgain = (): void => {
        for (const role of PRODUCING) for (const each of lives(role)) each.strike('SIGKILL');
      };
      const preload = fileURLToPath(new URL('clock-shift.ts', import.meta.url));
      environment.set('NODE_OPTIONS', `${process.env.NODE_OPTIONS ?? ''} --import=${preload}`);
      const proofs: Proof[] = [];
      try {
        for (const afterMs of [JUMPS_AFTER_MS, 0]) {
          const shift: ClockShift = { shiftMs: -HOUR_MS, afterMs };
          environment.set(CLOCK_SHIFT_ENV, JSON.stringify(shift));
          startAgain();
          const before = await capturedInThePast(world);
          await pause(afterMs + HOLD_MS);
          const whose = afterMs > 0 ? 'running' : 'new';
          proofs.push(
            Proof.counted(await newOnes(world, before), `changes captured an hour ago by ${whose} ones`),
          );
        }
      } finally {
        environment.clear();
        startAgain();
      }
      const [ofRunning, ofNew] = proofs;
      if (ofRunning === undefined || ofNew === undefined) throw new Error('No clock was set back.');
      return () => Proof.all(ofRunning, ofNew);
    },
  },
];

/** Waits for them: on a busy machine a process has hardly been started when it should have worked for a while. */
async function newOnes(world: World, before: number): Promise<number> {
  const untilMs = performance.now() + CAPTURED_WITHIN_MS;
  for (;;) {
    const more = (await capturedInThePast(world)) - before;
    if (more > 0 || performance.now() > untilMs) return more;
    await world.pause(LOOK_EVERY_MS);
  }
}

/** Changes in the log that say that they were captured more than half an hour ago, when this run had not begun. */
async function capturedInThePast({ meddler }: World): Promise<number> {
  const codec = createCodec();
  const beforeUs = (Date.now() - HOUR_MS / 2) * 1_000;
  let count = 0;
  for (const kind of ALL_KINDS) {
    await meddler.again(kind, (stored) => {
      count += stored.filter(
        ({ key, value }) => codec.decode(kind, key.toString(), value).capturedAt < beforeUs,
      ).length;
      return [];
    });
  }
  return count;
}
