import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { entityFault } from '../../schemas/entity-fault.ts';
import { generateSociety } from '../../society/generator/generate-society.ts';
import { stateOf, tileOf } from '../../society/generator/grid-world.ts';
import { gridWorldOf, isLearner, learnerCount, learningOf } from '../../society/generator/learning.ts';
import { completeOptions } from '../../society/generator/options.ts';
import { reachesGoal } from '../../society/generator/q-learning.ts';
import type { LearningRow } from '../../society/legacy-shapes.ts';

test('a learner has really learned: its policy leads to the goal of its own world', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat({ max: 1_000_000 }), (seed, index) => {
      const options = completeOptions({ agents: 1_000_001, seed });
      const policy = [...learningOf(options, index)].find((row) => row.kind === 'policy');
      const actions = policy?.actions ?? {};
      assert.ok(reachesGoal(gridWorldOf(seed, index), (tile) => actions[stateOf(tile)] ?? 0));
    }),
    { numRuns: 200 },
  );
});

test('the policy is the greedy one of the Q-values, which are no round numbers', () => {
  const rows = learningRows(11);
  const policy = rows.find((row) => row.kind === 'policy');
  const best = new Map<string, { action: number; value: number }>();
  for (const row of rows) {
    if (row.kind !== 'q-value') continue;
    const held = best.get(row.state);
    if (held === undefined || row.value > held.value)
      best.set(row.state, { action: row.action, value: row.value });
  }
  for (const [state, { action, value }] of best) {
    // An action that was never tried has the value 0.
    if (value >= 0) assert.equal(policy?.actions[state], action);
  }
  assert.ok([...best.values()].some(({ value }) => !Number.isInteger(value * 1_000)));
});

test('experiences are the latest ones, in their order, each following from the one before', () => {
  const experiences = learningRows(5).filter((row) => row.kind === 'experience');
  assert.equal(experiences.length, 200);
  for (const [place, experience] of experiences.entries()) {
    const before = experiences[place - 1];
    if (before === undefined) continue;
    assert.ok(experience.at > before.at);
    assert.equal(experience.state, before.done || before.step === 99 ? '0,0' : before.nextState);
    assert.equal(experience.step, before.done || before.step === 99 ? 0 : before.step + 1);
    assert.equal(stateOf(tileOf(experience.state)), experience.state);
  }
});

test('what learners leave can be moved through every store', () => {
  for (const row of learningRows(2)) {
    const { kind, ...entity } = row;
    const complete = kind === 'policy' ? { ...entity, name: '', revision: 0 } : entity;
    assert.equal(entityFault(kind, complete as never), undefined);
  }
});

test('the number of learners is the share of all, and they are spread evenly', () => {
  fc.assert(
    fc.property(fc.nat({ max: 5_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (agents, learners) => {
      const options = completeOptions({ agents, seed: 1, learners });
      const found = Array.from({ length: agents }, (_, index) => isLearner(options, index)).filter(
        Boolean,
      ).length;
      assert.equal(found, learnerCount(options));
    }),
  );
});

test('volumes are like those of the real society', () => {
  const counts: Record<string, number> = {};
  for (const { kind } of generateSociety({ agents: 3_000, seed: 1 }).learning())
    counts[kind] = (counts[kind] ?? 0) + 1;
  const perAgent = (kind: string): number => (counts[kind] ?? 0) / 3_000;
  assert.ok(perAgent('experience') > 5 && perAgent('experience') < 7);
  assert.ok(perAgent('q-value') > 2.5 && perAgent('q-value') < 4);
});

function learningRows(seed: number): readonly LearningRow[] {
  return [...learningOf(completeOptions({ agents: 1, seed }), 0)];
}
