import type { MemoryRow } from '../legacy-shapes.ts';
import type { District } from './districts.ts';
import type { GeneratorOptions } from './options.ts';
import { type Person, personAt } from './people.ts';
import { below, pick, randomFor } from './random.ts';
import { createVectorMaker } from './vectors.ts';

const PLACES = [
  'the market',
  'the library',
  'a wedding',
  'the harbour',
  'the tram stop',
  'a concert',
  'the park',
];

/** What an agent remembers: who it is, then whom it met. The maker keeps what neighbours share, so ask in order. */
export function createMemoryMaker(options: GeneratorOptions) {
  const { seed, dimension, memoriesPerAgent } = options;
  const vectorOf = createVectorMaker(seed, dimension);

  return function* memoriesOf(district: District, member: number): Generator<MemoryRow> {
    const agentId = district.ids[member] ?? '';
    const community = district.communities[member] ?? 0;
    const occupation = district.occupations[member] ?? 0;
    const person = personAt(seed, district, member);
    for (let memory = 0; memory < memoriesPerAgent; memory++) {
      const index = (district.first + member) * memoriesPerAgent + memory;
      yield {
        id: `${agentId}:memory-${memory}`,
        agentId,
        text: memory === 0 ? profileText(person) : eventText(seed, { district, member, index, person }),
        model: `synthetic-${dimension}`,
        vector: vectorOf({ community, occupation, index }),
      };
    }
  };
}

interface Moment {
  readonly district: District;
  readonly member: number;
  readonly index: number;
  readonly person: Person;
}

function profileText({ firstName, surname, age, city, country, occupation, education }: Person): string {
  return `${firstName} ${surname} is ${age} years old and lives in ${city}, ${country}. ${occupation.name}. ${education}.`;
}

/** A meeting with somebody of the same community. */
function eventText(seed: number, { district, member, index, person }: Moment): string {
  const random = randomFor(seed, 'memory', index);
  const near = Math.max(0, Math.min(district.size - 1, member + below(random, 9) - 4));
  const other = district.communities[near] === district.communities[member] && near !== member ? near : -1;
  const whom = other < 0 ? 'a stranger' : personAt(seed, district, other).firstName;
  const topic = pick(random, person.occupation.topics);
  return `${person.firstName} met ${whom} at ${pick(random, PLACES)} in ${person.city}. They talked about ${topic}.`;
}
