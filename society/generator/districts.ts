import { agentIdAt } from './agent-id.ts';
import { occupationAt } from './occupations.ts';
import type { GeneratorOptions } from './options.ts';
import { below, pairHash, randomFor, unit } from './random.ts';

/**
 * Who lives with whom and who knows whom nearby. The society is a row of districts of 512 agents; a district is made
 * of communities, a community of households. Within a district, ties follow a degree-corrected stochastic block model
 * (Karrer and Newman, Stochastic blockmodels and community structure in networks, 2011): a pair is tied with a
 * probability that depends on whether the two share a community and on how sociable both are. Whether it is tied is a
 * hash of the pair, so both ends agree on it without a list of ties. A district costs about 130,000 hashes.
 */
export interface District {
  /** Index in the society of the first member; members are numbered from 0. */
  readonly first: number;
  readonly size: number;
  readonly ids: readonly string[];
  /** Of each member: its community, numbered through the whole society. */
  readonly communities: Float64Array;
  /** Of each member: its household, numbered within the district. */
  readonly households: Uint16Array;
  /** Of each member: its place in OCCUPATIONS. */
  readonly occupations: Uint8Array;
  readonly sociability: Float64Array;
  /** Row by row, a bit for each other member that this one has a tie with, in either direction. */
  readonly neighbours: Uint32Array;
}

export const DISTRICT_SIZE = 512;
export const WORDS_PER_ROW = DISTRICT_SIZE / 32;
const MAX_COMMUNITIES = 64;
const SMALLEST_COMMUNITY = 16;
const LARGEST_COMMUNITY = 128;
const LARGEST_HOUSEHOLD = 5;

/** Of an agent's ties, about how many stay within its community and how many in the rest of its district. */
const COMMUNITY_SHARE = 0.55;
const DISTRICT_SHARE = 0.3;
/** What is left leads anywhere (ties.ts). */
export const DISTANT_SHARE = 1 - COMMUNITY_SHARE - DISTRICT_SHARE;
const LIKELIEST_TIE = 0.9;

export function districtAt(options: GeneratorOptions, number: number): District {
  const first = number * DISTRICT_SIZE;
  const size = Math.min(DISTRICT_SIZE, options.agents - first);
  const communitySizes = communitySizesOf(options.seed, number, size);
  const communities = new Float64Array(runs(communitySizes)).map((local) => number * MAX_COMMUNITIES + local);
  const district = {
    first,
    size,
    communities,
    ids: Array.from({ length: size }, (_, member) => agentIdAt(options.seed, first + member)),
    occupations: Uint8Array.from(communities, (community, member) =>
      occupationAt(options.seed, community, first + member),
    ),
    households: new Uint16Array(runs(householdSizesOf(options.seed, number, communitySizes))),
    sociability: Float64Array.from({ length: size }, (_, member) =>
      sociabilityAt(options.seed, first + member),
    ),
    neighbours: new Uint32Array(size * WORDS_PER_ROW),
  };
  tieNeighbours(district, communitySizes, options, number);
  return district;
}

/**
 * How readily an agent makes ties, 1 on average: Pareto-distributed, because few know many, and capped, because
 * nobody knows everybody.
 */
export function sociabilityAt(seed: number, index: number): number {
  const SHAPE = 2.5;
  const LEAST = (SHAPE - 1) / SHAPE;
  const MOST = 8;
  return Math.min(MOST, LEAST / (1 - unit(randomFor(seed, 'sociability', index))) ** (1 / SHAPE));
}

/** The member that a pair's friendship is stored with. */
export function isStoredWith(salt: number, member: number, other: number): boolean {
  const storedWithLower = (pairHash(salt, member, other) & 1) === 0;
  return storedWithLower === member < other;
}

/** What the hashes of a district's pairs start from. */
export function pairSaltOf(seed: number, districtNumber: number): number {
  return randomFor(seed, 'pair', districtNumber)();
}

export function areTied(district: District, member: number, other: number): boolean {
  const word = district.neighbours[member * WORDS_PER_ROW + (other >>> 5)] ?? 0;
  return (word & (1 << (other & 31))) !== 0;
}

/** Sizes spread evenly over the orders of magnitude between the smallest and the largest community. */
function communitySizesOf(seed: number, number: number, size: number): number[] {
  const random = randomFor(seed, 'district', number);
  const sizes: number[] = [];
  for (let left = size; left > 0; left -= sizes.at(-1) ?? left) {
    const drawn = Math.round(SMALLEST_COMMUNITY * (LARGEST_COMMUNITY / SMALLEST_COMMUNITY) ** unit(random));
    sizes.push(left - drawn < SMALLEST_COMMUNITY ? left : drawn);
  }
  return sizes;
}

function householdSizesOf(seed: number, number: number, communitySizes: readonly number[]): number[] {
  const random = randomFor(seed, 'household', number);
  const sizes: number[] = [];
  for (const communitySize of communitySizes) {
    for (let left = communitySize; left > 0; left -= sizes.at(-1) ?? left) {
      sizes.push(Math.min(left, 1 + below(random, LARGEST_HOUSEHOLD)));
    }
  }
  return sizes;
}

/** `[2, 3]` becomes `[0, 0, 1, 1, 1]`. */
function runs(sizes: readonly number[]): number[] {
  return sizes.flatMap((size, number) => new Array<number>(size).fill(number));
}

function tieNeighbours(
  district: District,
  communitySizes: readonly number[],
  options: GeneratorOptions,
  number: number,
): void {
  const { size, communities, households, sociability } = district;
  const salt = pairSaltOf(options.seed, number);
  // A friendship is stored once and counts for two.
  const degree = 2 * options.friendsPerAgent;
  if (degree === 0) return;
  for (let member = 0; member < size; member++) {
    const community = communities[member] ?? 0;
    const communitySize = communitySizes[community - number * MAX_COMMUNITIES] ?? 1;
    const sociable = sociability[member] ?? 0;
    const inside = (sociable * COMMUNITY_SHARE * degree) / Math.max(1, communitySize - 1);
    const outside = (sociable * DISTRICT_SHARE * degree) / Math.max(1, size - communitySize);
    for (let other = member + 1; other < size; other++) {
      const likeliness = (communities[other] === community ? inside : outside) * (sociability[other] ?? 0);
      const chance = households[other] === households[member] ? 1 : Math.min(LIKELIEST_TIE, likeliness);
      if (pairHash(salt, member, other) >= chance * 2 ** 32) continue;
      setBit(district.neighbours, member, other);
      setBit(district.neighbours, other, member);
    }
  }
}

function setBit(rows: Uint32Array, member: number, other: number): void {
  const place = member * WORDS_PER_ROW + (other >>> 5);
  rows[place] = (rows[place] ?? 0) | (1 << (other & 31));
}
