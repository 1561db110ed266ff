import { DEFAULT_TYPE, type Tie } from '../legacy-shapes.ts';
import { agentIdAt } from './agent-id.ts';
import {
  areTied,
  DISTANT_SHARE,
  DISTRICT_SIZE,
  type District,
  isStoredWith,
  pairSaltOf,
  sociabilityAt,
  WORDS_PER_ROW,
} from './districts.ts';
import type { GeneratorOptions } from './options.ts';
import { below, type Random, randomFor, unit } from './random.ts';

/** A friendship as the legacy memory stores it: without a strength or a type where the legacy application knew none. */
export interface StoredTie {
  readonly target: string;
  readonly strength: Tie['strength'] | undefined;
  readonly type: Tie['type'] | undefined;
}

/** Of the real society's friendships, one in eleven has no strength. */
const WITHOUT_STRENGTH = 0.09;
const WITHOUT_TYPE = 0.55;
const CANDIDATES_PER_DISTANT_TIE = 3;

/** The friendships that are stored with one agent, nearby ones first. */
export function* storedTiesOf(
  options: GeneratorOptions,
  district: District,
  member: number,
): Generator<StoredTie> {
  const index = district.first + member;
  const random = randomFor(options.seed, 'tie', index);
  const salt = pairSaltOf(options.seed, district.first / DISTRICT_SIZE);
  for (let other = 0; other < district.size; other++) {
    if (!areTied(district, member, other) || !isStoredWith(salt, member, other)) continue;
    const strength = Math.round(100 * neighbourhoodOverlap(district, member, other));
    yield {
      target: district.ids[other] ?? '',
      strength: unit(random) < WITHOUT_STRENGTH ? undefined : strength,
      type: nearbyType(district, { member, other, strength, random }),
    };
  }
  for (const other of storedDistantTies(options, index)) {
    // Weak: they have no neighbours in common (Granovetter, The strength of weak ties, 1973).
    const strength = 1 + below(random, 10);
    yield {
      target: agentIdAt(options.seed, other),
      strength: unit(random) < WITHOUT_STRENGTH ? undefined : strength,
      type: unit(random) < WITHOUT_TYPE ? undefined : DEFAULT_TYPE,
    };
  }
}

interface NearbyTie {
  readonly member: number;
  readonly other: number;
  readonly strength: number;
  readonly random: Random;
}

function nearbyType(district: District, { member, other, strength, random }: NearbyTie): string | undefined {
  if (district.households[member] === district.households[other]) return 'FAMILY';
  if (unit(random) < WITHOUT_TYPE) return undefined;
  if (district.occupations[member] === district.occupations[other]) return 'COLLEAGUE';
  return strength >= 30 ? 'FRIEND' : DEFAULT_TYPE;
}

/**
 * The share of the two ends' neighbours in the district that are neighbours of both, without the ends themselves
 * (Onnela et al., Structure and tie strengths in mobile communication networks, 2007).
 */
function neighbourhoodOverlap(district: District, member: number, other: number): number {
  let common = 0;
  let either = 0;
  for (let word = 0; word < WORDS_PER_ROW; word++) {
    const left = district.neighbours[member * WORDS_PER_ROW + word] ?? 0;
    const right = district.neighbours[other * WORDS_PER_ROW + word] ?? 0;
    common += bitsIn(left & right);
    either += bitsIn(left | right);
  }
  // The two ends are in `either`, each as a neighbour of the other.
  return either === 2 ? 0 : common / (either - 2);
}

/** Warren, Hacker's Delight, 5-1. */
function bitsIn(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Where two agents choose each other, the friendship stays with the one of the lower index. */
function storedDistantTies(options: GeneratorOptions, index: number): readonly number[] {
  return distantTies(options, index).filter(
    (other) => other > index || !distantTies(options, other).includes(index),
  );
}

/** The agents outside of its district that an agent chooses: of some candidates each time the most sociable. */
function distantTies({ agents, seed, friendsPerAgent }: GeneratorOptions, index: number): readonly number[] {
  const random = randomFor(seed, 'distant-tie', index);
  const count = Math.floor(DISTANT_SHARE * friendsPerAgent * sociabilityAt(seed, index) + unit(random));
  const home = Math.floor(index / DISTRICT_SIZE);
  const chosen = new Set<number>();
  for (let tie = 0; tie < count; tie++) {
    let best = -1;
    let bestSociability = 0;
    for (let candidate = 0; candidate < CANDIDATES_PER_DISTANT_TIE; candidate++) {
      const other = below(random, agents);
      const sociability = sociabilityAt(seed, other);
      if (sociability > bestSociability) [best, bestSociability] = [other, sociability];
    }
    if (best >= 0 && Math.floor(best / DISTRICT_SIZE) !== home) chosen.add(best);
  }
  return [...chosen];
}
