import { below, pick, randomFor, unit } from './random.ts';

export interface Occupation {
  readonly name: string;
  readonly education: Education;
  /** What its people talk about. */
  readonly topics: readonly string[];
}

export const EDUCATIONS = [
  'Less than high school',
  'High school',
  'Vocational training',
  "Bachelor's degree",
  'Graduate degree',
] as const;
export type Education = (typeof EDUCATIONS)[number];

const SCHOOL = 'High school';
const TRAINED = 'Vocational training';
const BACHELOR = "Bachelor's degree";
const GRADUATE = 'Graduate degree';

export const OCCUPATIONS: readonly Occupation[] = [
  { name: 'Nurse', education: TRAINED, topics: ['night shifts', 'a patient who went home', 'the new ward'] },
  { name: 'Teacher', education: BACHELOR, topics: ['the school play', 'exam week', 'a shy pupil'] },
  { name: 'Electrician', education: TRAINED, topics: ['old wiring', 'solar roofs', 'a blown fuse'] },
  { name: 'Baker', education: TRAINED, topics: ['sourdough', 'the price of flour', 'the early morning'] },
  { name: 'Farmer', education: SCHOOL, topics: ['the drought', 'a late harvest', 'the tractor'] },
  {
    name: 'Software developer',
    education: BACHELOR,
    topics: ['a flaky test', 'the migration', 'code review'],
  },
  { name: 'Doctor', education: GRADUATE, topics: ['the waiting list', 'a rare diagnosis', 'sleep'] },
  { name: 'Lawyer', education: GRADUATE, topics: ['a settlement', 'the new law', 'a long contract'] },
  { name: 'Bus driver', education: SCHOOL, topics: ['the roadworks', 'line 12', 'rush hour'] },
  { name: 'Cook', education: TRAINED, topics: ['the new menu', 'sharp knives', 'a full house'] },
  { name: 'Shop assistant', education: SCHOOL, topics: ['the sale', 'stock-taking', 'a rude customer'] },
  { name: 'Accountant', education: BACHELOR, topics: ['the audit', 'tax season', 'a missing receipt'] },
  { name: 'Carpenter', education: TRAINED, topics: ['oak and walnut', 'a crooked door', 'the workshop'] },
  { name: 'Musician', education: BACHELOR, topics: ['the rehearsal', 'a broken string', 'the summer tour'] },
  { name: 'Journalist', education: BACHELOR, topics: ['the deadline', 'a leaked letter', 'local news'] },
  { name: 'Biologist', education: GRADUATE, topics: ['field work', 'a lost sample', 'the grant'] },
  { name: 'Librarian', education: BACHELOR, topics: ['an old map', 'reading hour', 'late returns'] },
  { name: 'Mechanic', education: TRAINED, topics: ['a worn clutch', 'electric cars', 'spare parts'] },
  { name: 'Postal worker', education: SCHOOL, topics: ['the long route', 'a barking dog', 'parcels'] },
  { name: 'Hairdresser', education: TRAINED, topics: ['a wedding party', 'gossip', 'the new colour'] },
  { name: 'Architect', education: GRADUATE, topics: ['the station roof', 'a tight budget', 'light'] },
  { name: 'Cleaner', education: SCHOOL, topics: ['the early tram', 'the tenth floor', 'working hours'] },
  { name: 'Student', education: SCHOOL, topics: ['the finals', 'a shared flat', 'the semester abroad'] },
  { name: 'Retired', education: SCHOOL, topics: ['the grandchildren', 'the garden', 'the old days'] },
  { name: 'Looking for work', education: SCHOOL, topics: ['an interview', 'a course', 'the job fair'] },
];

/** Most people of a community share the few occupations that it is known for. */
const KNOWN_FOR = 3;
const KNOWN_FOR_SHARE = 0.65;

/** The place in OCCUPATIONS of what an agent of a community does. */
export function occupationAt(seed: number, community: number, index: number): number {
  const random = randomFor(seed, 'occupation', index);
  if (unit(random) >= KNOWN_FOR_SHARE) return below(random, OCCUPATIONS.length);
  const known = randomFor(seed, 'community', community);
  const choice = below(random, KNOWN_FOR);
  for (let skipped = 0; skipped < choice; skipped++) known();
  return below(known, OCCUPATIONS.length);
}

/** Usually what the occupation asks for, sometimes anything. */
export function educationFor(random: () => number, occupation: Occupation): Education {
  const USUALLY = 0.75;
  return unit(random) < USUALLY ? occupation.education : pick(random, EDUCATIONS);
}
