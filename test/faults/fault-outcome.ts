import type { Evidence } from '../live/evidence.ts';
import type { Failure } from '../live/life.ts';
import type { Verdict } from '../live/oracle.ts';
import type { Consumed } from './replay.ts';

/** One fault that has struck while everything was at work. */
export interface Struck {
  readonly fault: string;
  readonly seconds: number;
  /** From its end until every application could write and every follower had committed what was in the log then. */
  readonly recoverySeconds: number;
  /** What shows that it did what its name says. */
  readonly proof: string;
}

/** A target whose versions could not be looked at, though nobody had taken it away. */
export interface SamplerFailure {
  readonly target: string;
  readonly message: string;
}

export interface FaultReport {
  readonly seed: number;
  readonly struck: readonly Struck[];
  readonly seconds: number;
  readonly samples: number;
  /** Of each target. */
  readonly samplesOf: ReadonlyMap<string, number>;
  readonly samplerFailures: readonly SamplerFailure[];
  readonly evidence: Evidence;
  readonly verdict: Verdict;
  readonly failures: readonly Failure[];
  /** Of each follower, when it had read all of the log once more. */
  readonly consumed: readonly Consumed[];
}
