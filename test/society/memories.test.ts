import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DISTRICT_SIZE, districtAt } from '../../society/generator/districts.ts';
import { generateSociety } from '../../society/generator/generate-society.ts';
import type { MemoryRow } from '../../society/legacy-shapes.ts';

const society = generateSociety({ agents: 1_024, seed: 3, memoriesPerAgent: 2 });
const memories = [...society.memories()];

function cosine(left: MemoryRow, right: MemoryRow): number {
  return left.vector.reduce((sum, component, place) => sum + component * (right.vector[place] ?? 0), 0);
}

/** Of each memory: the place in its district's list that says `what` of its agent. */
function ofAgents(what: 'communities' | 'occupations'): readonly number[] {
  return memories.map((_, index) => {
    const agent = Math.floor(index / society.options.memoriesPerAgent);
    const district = districts[Math.floor(agent / DISTRICT_SIZE)];
    return district?.[what][agent % DISTRICT_SIZE] ?? -1;
  });
}

const districts = [districtAt(society.options, 0), districtAt(society.options, 1)];

function meanCosines(labels: readonly number[]): { readonly within: number; readonly between: number } {
  const sums = { within: 0, between: 0 };
  const counts = { within: 0, between: 0 };
  for (let left = 0; left < memories.length; left += 7) {
    for (let right = left + 1; right < memories.length; right += 5) {
      const group = labels[left] === labels[right] ? 'within' : 'between';
      sums[group] += cosine(memories[left] as MemoryRow, memories[right] as MemoryRow);
      counts[group]++;
    }
  }
  return { within: sums.within / counts.within, between: sums.between / counts.between };
}

test('vectors are float32 of unit length and of the dimension that was asked for', () => {
  for (const { vector } of memories) {
    assert.equal(vector.length, 384);
    assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-6);
  }
  const [small] = generateSociety({ agents: 1, seed: 3, dimension: 1_536 }).memories();
  assert.equal(small?.vector.length, 1_536);
});

test('memories cluster by community, and by occupation', () => {
  const community = meanCosines(ofAgents('communities'));
  assert.ok(community.within > community.between + 0.15, JSON.stringify(community));
  const occupation = meanCosines(ofAgents('occupations'));
  assert.ok(occupation.within > occupation.between + 0.08, JSON.stringify(occupation));
});

test('every memory has an id of its own, a text and a model', () => {
  assert.equal(new Set(memories.map((memory) => memory.id)).size, memories.length);
  for (const { text, model, agentId, id } of memories) {
    assert.ok(text.length > 20 && text.endsWith('.'));
    assert.equal(model, 'synthetic-384');
    assert.ok(id.startsWith(agentId));
  }
});
