import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChangeoverError } from '../../core/errors.ts';
import { entityFault } from '../../schemas/entity-fault.ts';
import { DISTRICT_SIZE, districtAt } from '../../society/generator/districts.ts';
import { generateSociety } from '../../society/generator/generate-society.ts';
import type { SocietyOptions } from '../../society/generator/options.ts';
import { tiesOf } from '../../society/legacy-shapes.ts';

const SOCIETY: SocietyOptions = { agents: 1_500, seed: 7, dimension: 16 };

test('the same seed gives the same society, another seed another', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 40 }), fc.integer({ min: 1, max: 60 }), (seed, agents) => {
      const walk = (of: number): string => {
        const society = generateSociety({
          agents,
          seed: of,
          dimension: 8,
          learners: 0.1,
          experiencesPerLearner: 5,
        });
        const memories = [...society.memories()].map((memory) => ({ ...memory, vector: [...memory.vector] }));
        return JSON.stringify([[...society.agents()], memories, [...society.learning()]]);
      };
      assert.equal(walk(seed), walk(seed));
      assert.notEqual(walk(seed), walk(seed + 1));
    }),
    { numRuns: 20 },
  );
});

test('an agent, and who it is with, follow from the seed and its index alone', () => {
  const { options, agents } = generateSociety(SOCIETY);
  const ids = [...agents()].map((agent) => agent.id);
  const last = districtAt(options, 2);
  assert.deepEqual(last.ids, ids.slice(2 * DISTRICT_SIZE));
  const larger = generateSociety({ ...SOCIETY, agents: 5_000 });
  assert.deepEqual(districtAt(larger.options, 1), districtAt(options, 1));
});

test('ids are unique and every agent can be moved through every store', () => {
  const ids = new Set<string>();
  for (const agent of generateSociety({ ...SOCIETY, agents: 5_000 }).agents()) {
    ids.add(agent.id);
    const { id, type, active, attributes } = agent;
    assert.equal(
      entityFault('agent', { id, type, active, attributes: attributes as Record<string, string> }),
      undefined,
    );
    for (const name of ['name', 'age', 'occupation', 'gender', 'city', 'education'])
      assert.ok(name in attributes);
    for (const tie of tiesOf(agent)) {
      assert.equal(entityFault('relationship', { ...tie, since: null, properties: {} }), undefined);
    }
  }
  assert.equal(ids.size, 5_000);
});

test('every friend exists, nobody is its own friend, and a friendship stands on one side only', () => {
  for (const agents of [1, 2, 10, 513, 3_000]) {
    const all = [...generateSociety({ ...SOCIETY, agents }).agents()];
    const ids = new Set(all.map((agent) => agent.id));
    const pairs = new Set<string>();
    let ties = 0;
    for (const tie of all.flatMap((agent) => [...tiesOf(agent)])) {
      ties++;
      assert.ok(ids.has(tie.target), `no agent ${tie.target}`);
      assert.notEqual(tie.source, tie.target);
      pairs.add([tie.source, tie.target].sort().join(' '));
    }
    assert.equal(pairs.size, ties);
  }
});

test('friendships stay within communities, a few have many, and some have no strength or type', () => {
  const society = generateSociety({ ...SOCIETY, agents: 5_120, friendsPerAgent: 24 });
  const communityOf = new Map<string, number>();
  for (let number = 0; number < 10; number++) {
    const { ids, communities } = districtAt(society.options, number);
    for (const [member, id] of ids.entries()) communityOf.set(id, communities[member] ?? -1);
  }
  const degrees = new Map<string, number>();
  const types = new Set<string>();
  let ties = 0;
  let inside = 0;
  let withoutStrength = 0;
  for (const agent of society.agents()) {
    withoutStrength += agent.memory.friends.length - Object.keys(agent.memory.relationships).length;
    for (const { source, target, type } of tiesOf(agent)) {
      ties++;
      types.add(type);
      if (communityOf.get(source) === communityOf.get(target)) inside++;
      for (const id of [source, target]) degrees.set(id, (degrees.get(id) ?? 0) + 1);
    }
  }
  const sorted = [...degrees.values()].sort((left, right) => left - right);
  const median = sorted[sorted.length >> 1] ?? 0;
  assert.ok(ties / 5_120 > 18 && ties / 5_120 < 30, `${ties / 5_120} friends an agent`);
  // By chance alone one tie in about a hundred would be.
  assert.ok(inside / ties > 0.35, `${inside / ties} of the ties within a community`);
  assert.ok((sorted.at(-1) ?? 0) > 4 * median, `most: ${sorted.at(-1)}, median: ${median}`);
  assert.ok(withoutStrength / ties > 0.05 && withoutStrength / ties < 0.15);
  assert.deepEqual([...types].sort(), ['COLLEAGUE', 'FAMILY', 'FRIEND', 'KNOWS']);
});

test('what is expected is what comes', () => {
  const society = generateSociety({ ...SOCIETY, agents: 777, memoriesPerAgent: 3, learners: 0.05 });
  assert.equal([...society.agents()].length, society.expected.agents);
  assert.equal([...society.memories()].length, society.expected.embeddings);
  const policies = [...society.learning()].filter((row) => row.kind === 'policy');
  assert.equal(policies.length, society.expected.policies);
  assert.equal(policies.length, 39);
});

test('an option out of its range is refused', () => {
  for (const wrong of [
    { agents: -1 },
    { seed: 0.5 },
    { dimension: 0 },
    { learners: 2 },
    { friendsPerAgent: -1 },
  ]) {
    assert.throws(
      () => generateSociety({ ...SOCIETY, ...wrong }),
      (error) => error instanceof ChangeoverError && error.code === 'usage',
    );
  }
});
