import { ChangeoverError } from '../../core/errors.ts';

export interface GeneratorOptions {
  readonly agents: number;
  /** A safe whole number from 0. The same seed and options give the same society, on every machine. */
  readonly seed: number;
  /** Components of a vector. */
  readonly dimension: number;
  /** About how many friendships an agent's memory holds on average; each stands on one side only. */
  readonly friendsPerAgent: number;
  readonly memoriesPerAgent: number;
  /** The share of agents, 0 to 1, that learn to act in a grid world. */
  readonly learners: number;
  /** The latest experiences that a learner keeps; whatever was before them is forgotten. */
  readonly experiencesPerLearner: number;
}

/** Volumes per agent as in the real society that the project is tried with, but for a second memory. */
const DEFAULTS = {
  dimension: 384,
  friendsPerAgent: 24,
  memoriesPerAgent: 2,
  learners: 0.03,
  experiencesPerLearner: 200,
} as const;

export type SocietyOptions = Pick<GeneratorOptions, 'agents' | 'seed'> & Partial<GeneratorOptions>;

export function completeOptions(options: SocietyOptions): GeneratorOptions {
  const complete = { ...DEFAULTS, ...options };
  for (const name of ['agents', 'seed', 'memoriesPerAgent', 'experiencesPerLearner'] as const) {
    require(Number.isSafeInteger(complete[name]) && complete[name] >= 0, name, 'a whole number from 0');
  }
  const { dimension, friendsPerAgent, learners } = complete;
  require(Number.isSafeInteger(dimension) && dimension >= 2, 'dimension', 'a whole number from 2');
  require(friendsPerAgent >= 0 && friendsPerAgent <= 1_000, 'friendsPerAgent', 'from 0 to 1,000');
  require(learners >= 0 && learners <= 1, 'learners', 'a share from 0 to 1');
  return complete;
}

function require(holds: boolean, name: string, what: string): void {
  if (!holds) throw new ChangeoverError('usage', `A society's ${name} must be ${what}.`);
}
