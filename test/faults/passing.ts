import { type Failure, UNREACHABLE } from '../live/lives.ts';

/** A backfill that cannot read its source says so (holes), and is started again. */
const HOLES = 4;

/** Whether it is in order that a process ends with this code while its servers are out of reach. */
export function isPassing(role: Failure['role'], code: number | null): boolean {
  return code === UNREACHABLE || (role === 'backfill' && code === HOLES);
}
