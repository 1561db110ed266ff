/**
 * Numbers that look random and follow from (seed, purpose, index) alone, so that any part of a society can be made
 * without making what comes before it.
 */

/** Gives whole numbers from 0 to 2³² − 1. */
export type Random = () => number;

/** What the numbers are for; two purposes never share a stream. */
const PURPOSES = {
  id: 1,
  district: 2,
  community: 3,
  household: 4,
  surname: 5,
  'home-city': 6,
  sociability: 7,
  occupation: 8,
  person: 9,
  pair: 10,
  tie: 11,
  'distant-tie': 12,
  memory: 13,
  learning: 14,
  world: 19,
  'common-direction': 15,
  'community-direction': 16,
  'occupation-direction': 17,
  'own-direction': 18,
} as const;

export type Purpose = keyof typeof PURPOSES;

const WORD = 2 ** 32;
const GOLDEN = 0x9e3779b1;
const WARM_UP_ROUNDS = 15;

/**
 * The generator sfc32 of Chris Doty-Humphrey's PractRand (https://pracrand.sourceforge.net/), with the seed, the purpose
 * and the index as its first state and as many rounds of warm-up as PractRand gives a seed of three words.
 */
export function randomFor(seed: number, purpose: Purpose, index: number): Random {
  let a = seed | 0;
  let b = (Math.floor(seed / WORD) ^ Math.imul(PURPOSES[purpose], GOLDEN)) | 0;
  let c = index | 0;
  let counter = 1 + Math.floor(index / WORD);
  const next = (): number => {
    const sum = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < WARM_UP_ROUNDS; round++) next();
  return next;
}

/** From 0 up to, but not including, 1; a multiple of 2⁻³². */
export function unit(random: Random): number {
  return random() / WORD;
}

/** A whole number from 0 to `bound` − 1. The bias, bound / 2³², does not matter here. */
export function below(random: Random, bound: number): number {
  return Math.floor(unit(random) * bound);
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[below(random, items.length)] as T;
}

/** The finaliser of MurmurHash3 (Austin Appleby, public domain): every bit of the word bears on every bit of the answer. */
export function mix32(word: number): number {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A number for a pair that is the same from both sides; `salt` parts one set of pairs from another. */
export function pairHash(salt: number, left: number, right: number): number {
  const [low, high] = left < right ? [left, right] : [right, left];
  return mix32(salt ^ Math.imul(low * 0x10000 + high, GOLDEN));
}
