import { below, type Random } from './random.ts';

/**
 * A room of 6 × 6 tiles with some pits: from the upper left corner to the lower right one without falling. The reward
 * is 1 for the goal, −1 for a pit, and a little less than nothing for every other step. Moves never fail.
 */
export interface GridWorld {
  readonly pits: ReadonlySet<number>;
}

const SIDE = 6;
const PITS = 5;
export const START = 0;
export const GOAL = SIDE * SIDE - 1;
export const TILES = SIDE * SIDE;
export const ENVIRONMENT = `grid-${SIDE}x${SIDE}`;

/** Rows and columns that each action moves by: up, right, down, left. */
const MOVES = [
  [-1, 0],
  [0, 1],
  [1, 0],
  [0, -1],
] as const;
export const ACTIONS = MOVES.length;

export interface Step {
  readonly next: number;
  readonly reward: number;
  readonly done: boolean;
}

export function stateOf(tile: number): string {
  return `${Math.floor(tile / SIDE)},${tile % SIDE}`;
}

export function tileOf(state: string): number {
  const [row = 0, column = 0] = state.split(',').map(Number);
  return row * SIDE + column;
}

/** A world whose goal can be reached. */
export function createGridWorld(random: Random): GridWorld {
  for (;;) {
    const pits = new Set<number>();
    for (let pit = 0; pit < PITS; pit++) pits.add(1 + below(random, GOAL - 1));
    if (isSolvable({ pits })) return { pits };
  }
}

/** A step against a wall stays where it is. */
export function take(world: GridWorld, tile: number, action: number): Step {
  const [down, right] = MOVES[action] ?? [0, 0];
  const row = Math.min(SIDE - 1, Math.max(0, Math.floor(tile / SIDE) + down));
  const column = Math.min(SIDE - 1, Math.max(0, (tile % SIDE) + right));
  const next = row * SIDE + column;
  if (next === GOAL) return { next, reward: 1, done: true };
  if (world.pits.has(next)) return { next, reward: -1, done: true };
  return { next, reward: -0.04, done: false };
}

function isSolvable(world: GridWorld): boolean {
  const reached = new Set([START]);
  for (const tile of reached) {
    for (let action = 0; action < ACTIONS; action++) {
      const { next, done } = take(world, tile, action);
      if (next === GOAL) return true;
      if (!done) reached.add(next);
    }
  }
  return false;
}
