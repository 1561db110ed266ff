import { below, randomFor } from '../../society/generator/random.ts';
import { CLOCK_FAULTS } from './clock-faults.ts';
import { DISK_FAULTS } from './disk-faults.ts';
import type { Fault } from './fault.ts';
import { GAP_FAULTS } from './gap-faults.ts';
import { LOCK_FAULTS } from './lock-faults.ts';
import { LOG_FAULTS } from './log-faults.ts';
import { NETWORK_FAULTS } from './network-faults.ts';
import { PROCESS_FAULTS } from './process-faults.ts';
import { SERVER_FAULTS } from './server-faults.ts';

export const FAULTS: readonly Fault[] = [
  ...PROCESS_FAULTS,
  ...NETWORK_FAULTS,
  ...LOG_FAULTS,
  ...GAP_FAULTS,
  ...LOCK_FAULTS,
  ...CLOCK_FAULTS,
  ...DISK_FAULTS,
  ...SERVER_FAULTS,
];

/** All of them, in an order that follows from the seed. */
export function inOrderOf(seed: number, faults: readonly Fault[]): readonly Fault[] {
  const random = randomFor(seed, 'world', 1);
  const left = [...faults];
  return faults.map(() => left.splice(below(random, left.length), 1)[0] as Fault);
}

export function named(names: readonly string[]): readonly Fault[] {
  return names.map((name) => {
    const fault = FAULTS.find((each) => each.name === name);
    if (fault === undefined)
      throw new Error(
        `There is no fault "${name}"; there are:\n${FAULTS.map((each) => each.name).join('\n')}`,
      );
    return fault;
  });
}
