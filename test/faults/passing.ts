import { type Failure, UNREACHABLE } from '../live/lives.ts';
import type { Fault } from './fault.ts';

/** A backfill that cannot read its source says so (holes), and is started again. */
const HOLES = 4;

/** Whether it is in order that a process ends with this code while its servers are out of reach, or as the fault has it. */
export function isPassing(role: Failure['role'], code: number | null, present?: Fault): boolean {
  if (code === null) return false;
  return (
    code === UNREACHABLE ||
    (role === 'backfill' && code === HOLES) ||
    (present?.mayEndWith?.includes(code) ?? false)
  );
}
