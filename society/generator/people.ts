import type { LegacyAgent } from '../legacy-shapes.ts';
import { DISTRICT_SIZE, type District } from './districts.ts';
import { CITIES, type City, MEN, OTHERS, SURNAMES, WOMEN } from './names.ts';
import { educationFor, OCCUPATIONS, type Occupation } from './occupations.ts';
import { below, pick, type Random, randomFor, unit } from './random.ts';

export interface Person extends City {
  readonly firstName: string;
  readonly surname: string;
  readonly gender: string;
  readonly age: number;
  readonly occupation: Occupation;
  readonly education: string;
  readonly leader: boolean;
  readonly active: boolean;
}

const NON_BINARY_SHARE = 0.02;
const LEADER_SHARE = 0.04;
const ACTIVE_SHARE = 0.975;
const HOME_CITY_SHARE = 0.85;

export function personAt(seed: number, district: District, member: number): Person {
  const random = randomFor(seed, 'person', district.first + member);
  const occupation = OCCUPATIONS[district.occupations[member] ?? 0] as Occupation;
  const [gender, firstNames] = genderOf(random);
  return {
    firstName: pick(random, firstNames),
    surname: surnameOf(seed, district, member),
    gender,
    age: ageOf(random, occupation),
    occupation,
    education: educationFor(random, occupation),
    leader: unit(random) < LEADER_SHARE,
    active: unit(random) < ACTIVE_SHARE,
    ...cityOf(seed, district, random),
  };
}

/** What the legacy application keeps of a person. */
export function attributesOf(person: Person, sociability: number): LegacyAgent['attributes'] {
  return {
    name: `${person.firstName} ${person.surname}`,
    age: person.age,
    gender: person.gender,
    occupation: person.occupation.name,
    education: person.education,
    city: person.city,
    country: person.country,
    retired: person.occupation.name === 'Retired',
    sociability,
  };
}

function genderOf(random: Random): readonly [string, readonly string[]] {
  const drawn = unit(random);
  if (drawn < NON_BINARY_SHARE) return ['Non-binary', OTHERS];
  return drawn < NON_BINARY_SHARE + (1 - NON_BINARY_SHARE) / 2 ? ['Female', WOMEN] : ['Male', MEN];
}

function ageOf(random: Random, { name }: Occupation): number {
  if (name === 'Student') return 18 + below(random, 12);
  if (name === 'Retired') return 60 + below(random, 32);
  return 20 + below(random, 46);
}

/** A household shares its name. */
function surnameOf(seed: number, district: District, member: number): string {
  const household = district.first + (district.households[member] ?? 0);
  return pick(randomFor(seed, 'surname', household), SURNAMES);
}

/** A district has a home city; some of its members live elsewhere. */
function cityOf(seed: number, district: District, random: Random): City {
  if (unit(random) >= HOME_CITY_SHARE) return pick(random, CITIES);
  return pick(randomFor(seed, 'home-city', district.first / DISTRICT_SIZE), CITIES);
}
