import { type Failure, UNREACHABLE } from '../live/life.ts';
import type { Fault } from './fault.ts';
import { type Reach, serversOf } from './reach.ts';

/** A backfill that cannot read its source says so (holes), and is started again. */
const HOLES = 4;

/** What `run` says when it has begun: from then on it waits for whatever does not answer, however long. */
const FOLLOWS = / follows .* in group /;

export interface Ending extends Pick<Failure, 'role' | 'store' | 'code'> {
  /** On its standard error. */
  readonly said: string;
  readonly present: Pick<Fault, 'mayEndWith'> | undefined;
  readonly reach: Pick<Reach, 'isAway'>;
}

/**
 * Whether it is in order that a process ends with this code: as the present fault has it, or because one of its own servers is out of
 * reach by a fault, or was a moment ago. That a server does not answer otherwise is a failure of whoever says so.
 */
export function isPassing({ role, store, code, said, present, reach }: Ending): boolean {
  if (code === null) return false;
  if (present?.mayEndWith?.includes(code) === true) return true;
  if (role === 'run' && FOLLOWS.test(said)) return false;
  const isCutOff = code === UNREACHABLE || (role === 'backfill' && code === HOLES);
  return isCutOff && reach.isAway(serversOf(role, store));
}
