import type { LearningRow, LegacyAgent, MemoryRow } from '../legacy-shapes.ts';
import type { Society, SocietyCounts } from '../society.ts';
import { DISTRICT_SIZE, type District, districtAt } from './districts.ts';
import { isLearner, learnerCount, learningOf } from './learning.ts';
import { createMemoryMaker } from './memories.ts';
import { completeOptions, type GeneratorOptions, type SocietyOptions } from './options.ts';
import { attributesOf, personAt } from './people.ts';
import { storedTiesOf } from './ties.ts';

/** A society that is made while it is walked. Each walk holds one district of 512 agents. */
export interface GeneratedSociety {
  readonly options: GeneratorOptions;
  /** What follows from the options without making anything. */
  readonly expected: Pick<SocietyCounts, 'agents' | 'embeddings' | 'policies'>;
  agents(): Iterable<LegacyAgent>;
  memories(): Iterable<MemoryRow>;
  learning(): Iterable<LearningRow>;
}

/** Makes nothing yet; throws `usage` when an option is out of its range. */
export function generateSociety(given: SocietyOptions): GeneratedSociety {
  const options = completeOptions(given);
  return {
    options,
    expected: {
      agents: options.agents,
      embeddings: options.agents * options.memoriesPerAgent,
      policies: learnerCount(options),
    },
    *agents() {
      for (const [district, member] of members(options)) yield agentOf(options, district, member);
    },
    *memories() {
      const memoriesOf = createMemoryMaker(options);
      for (const [district, member] of members({ ...options, friendsPerAgent: 0 })) {
        yield* memoriesOf(district, member);
      }
    },
    *learning() {
      for (let index = 0; index < options.agents; index++) {
        if (isLearner(options, index)) yield* learningOf(options, index);
      }
    },
  };
}

/** The same behind the interface that the loaders take. */
export function openGeneratedSociety(options: SocietyOptions): Society {
  const society = generateSociety(options);
  return {
    expected: society.expected,
    dictionaryFile: null,
    agents: () => toAsync(society.agents()),
    memories: () => toAsync(society.memories()),
    learning: () => toAsync(society.learning()),
  };
}

function* members(options: GeneratorOptions): Generator<readonly [District, number]> {
  for (let first = 0; first < options.agents; first += DISTRICT_SIZE) {
    const district = districtAt(options, first / DISTRICT_SIZE);
    for (let member = 0; member < district.size; member++) yield [district, member];
  }
}

function agentOf(options: GeneratorOptions, district: District, member: number): LegacyAgent {
  const person = personAt(options.seed, district, member);
  const friends: string[] = [];
  const relationships = emptyEntries<number>();
  const types = emptyEntries<string>();
  for (const { target, strength, type } of storedTiesOf(options, district, member)) {
    friends.push(target);
    if (strength !== undefined) relationships[target] = strength;
    if (type !== undefined) types[target] = type;
  }
  return {
    id: district.ids[member] ?? '',
    type: person.leader ? 'leader' : 'resident',
    active: person.active,
    attributes: attributesOf(person, district.sociability[member] ?? 1),
    memory: { friends, relationships, relation_types: types },
  };
}

/**
 * Without a prototype V8 keeps an object as a hash table; with one it would learn each id as the name of a field of a
 * new class, three times as slow and with a heap that grows by what it has learnt.
 */
function emptyEntries<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}

async function* toAsync<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}
