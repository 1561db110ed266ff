import type { LearningRow } from '../legacy-shapes.ts';
import { agentIdAt } from './agent-id.ts';
import { ACTIONS, createGridWorld, ENVIRONMENT, type GridWorld, stateOf } from './grid-world.ts';
import type { GeneratorOptions } from './options.ts';
import { greedyAction, type Learned, learn, PARAMETERS } from './q-learning.ts';
import { randomFor } from './random.ts';

const FIRST_STEP_AT_MS = 1_760_000_000_000;
const MS_PER_STEP = 50;

/** Learners are spread evenly, so that their number is exact: the share of all, rounded up. */
export function isLearner({ learners }: GeneratorOptions, index: number): boolean {
  return Math.ceil((index + 1) * learners) > Math.ceil(index * learners);
}

export function learnerCount({ agents, learners }: GeneratorOptions): number {
  return Math.ceil(agents * learners);
}

/** The world of a learner; each has its own. */
export function gridWorldOf(seed: number, index: number): GridWorld {
  return createGridWorld(randomFor(seed, 'world', index));
}

/** What one learner leaves behind: its latest experiences, the value of every action that it tried, its policy. */
export function* learningOf(options: GeneratorOptions, index: number): Generator<LearningRow> {
  const { seed, experiencesPerLearner } = options;
  const agentId = agentIdAt(seed, index);
  const learned = learn(gridWorldOf(seed, index), randomFor(seed, 'learning', index), experiencesPerLearner);
  const firstKept = learned.stepCount - learned.steps.length;
  for (const [place, { tile, action, reward, next, done, episode, step }] of learned.steps.entries()) {
    yield {
      kind: 'experience',
      id: `${agentId}:${firstKept + place}`,
      agentId,
      state: stateOf(tile),
      action,
      reward,
      nextState: stateOf(next),
      done,
      episode,
      step,
      at: FIRST_STEP_AT_MS + (firstKept + place) * MS_PER_STEP,
    };
  }
  for (const [place, visits] of learned.visits.entries()) {
    if (visits === 0) continue;
    const state = stateOf(Math.floor(place / ACTIONS));
    yield {
      kind: 'q-value',
      agentId,
      state,
      action: place % ACTIONS,
      value: learned.values[place] ?? 0,
      visits,
    };
  }
  const actions = greedyActions(learned);
  yield {
    kind: 'policy',
    agentId,
    algorithm: 'q-learning',
    environment: ENVIRONMENT,
    parameters: PARAMETERS,
    actions,
  };
}

/** An action for every state in which something was tried. */
function greedyActions({ values, visits }: Learned): Readonly<Record<string, number>> {
  const actions: Record<string, number> = {};
  for (let tile = 0; tile * ACTIONS < values.length; tile++) {
    const tried = visits.subarray(tile * ACTIONS, (tile + 1) * ACTIONS).some((count) => count > 0);
    if (tried) actions[stateOf(tile)] = greedyAction(values, tile);
  }
  return actions;
}
