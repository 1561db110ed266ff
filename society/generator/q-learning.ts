import { ACTIONS, GOAL, type GridWorld, START, type Step, TILES, take } from './grid-world.ts';
import { below, type Random, unit } from './random.ts';

export const PARAMETERS = { alpha: 0.2, gamma: 0.95, epsilon: 0.1 } as const;

export interface TakenStep extends Step {
  readonly tile: number;
  readonly action: number;
  readonly episode: number;
  readonly step: number;
}

export interface Learned {
  /** The latest steps, oldest first. */
  readonly steps: readonly TakenStep[];
  /** How many steps were taken in all. */
  readonly stepCount: number;
  /** Tile by tile, one value for each action. */
  readonly values: Float64Array;
  readonly visits: Uint32Array;
}

const EPISODES_PER_ROUND = 100;
const MOST_ROUNDS = 50;
const MOST_STEPS = 100;

/**
 * Tabular Q-learning with an epsilon-greedy behaviour (Watkins and Dayan 1992; Sutton and Barto, Reinforcement learning,
 * 2018, 6.5), until the greedy policy leads to the goal. It starts from zero, which in a world where steps cost
 * something is optimistic, so everything gets tried.
 */
export function learn(world: GridWorld, random: Random, keep: number): Learned {
  const values = new Float64Array(TILES * ACTIONS);
  const visits = new Uint32Array(TILES * ACTIONS);
  const steps: TakenStep[] = [];
  let episode = 0;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    for (let last = episode + EPISODES_PER_ROUND; episode < last; episode++) {
      for (const taken of playEpisode(world, random, values, episode)) {
        const place = taken.tile * ACTIONS + taken.action;
        const ahead = taken.done ? 0 : (values[taken.next * ACTIONS + greedyAction(values, taken.next)] ?? 0);
        const old = values[place] ?? 0;
        values[place] = old + PARAMETERS.alpha * (taken.reward + PARAMETERS.gamma * ahead - old);
        visits[place] = (visits[place] ?? 0) + 1;
        steps.push(taken);
      }
    }
    if (reachesGoal(world, (tile) => greedyAction(values, tile))) break;
  }
  return { steps: keep === 0 ? [] : steps.slice(-keep), stepCount: steps.length, values, visits };
}

/** The first of the actions with the greatest value. */
export function greedyAction(values: Float64Array, tile: number): number {
  let best = 0;
  for (let action = 1; action < ACTIONS; action++) {
    if ((values[tile * ACTIONS + action] ?? 0) > (values[tile * ACTIONS + best] ?? 0)) best = action;
  }
  return best;
}

/** True when always doing what the policy says leads from the start to the goal. */
export function reachesGoal(world: GridWorld, actionAt: (tile: number) => number): boolean {
  let tile = START;
  for (let step = 0; step < TILES; step++) {
    const { next, done } = take(world, tile, actionAt(tile));
    if (done) return next === GOAL;
    tile = next;
  }
  return false;
}

/** The caller learns from each step before it asks for the next one. */
function* playEpisode(
  world: GridWorld,
  random: Random,
  values: Float64Array,
  episode: number,
): Generator<TakenStep> {
  let tile = START;
  for (let step = 0; step < MOST_STEPS; step++) {
    const explores = unit(random) < PARAMETERS.epsilon;
    const action = explores ? below(random, ACTIONS) : greedyAction(values, tile);
    const outcome = take(world, tile, action);
    yield { tile, action, episode, step, ...outcome };
    if (outcome.done) return;
    tile = outcome.next;
  }
}
