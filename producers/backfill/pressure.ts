import type { Kind } from '../../schemas/kinds.ts';

/** Somebody for whom a backfill should go slower. */
export interface Pressure {
  readonly reason: 'lag' | 'origin' | 'outbox';
  /** The kinds that should go slower. */
  readonly kinds: readonly Kind[];
  /** In words: who, and what of it is too much. */
  readonly text: string;
  /**
   * How many items a second of each of these kinds can be borne; infinite where it is only worth telling. Undefined where
   * nobody can tell: less than now, step by step.
   */
  readonly perSecond?: number;
}

export interface PressureSource {
  read(): Promise<readonly Pressure[]>;
}
