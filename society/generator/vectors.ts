import { type Purpose, randomFor, unit } from './random.ts';

/**
 * What a vector is made of, before it is brought to unit length: a part that all share (real text embeddings fill a
 * narrow cone: Ethayarajh, How contextual are contextualized word representations, 2019), one of the agent's community,
 * one of its occupation, and one of its own. The cosine of two memories of one community is so about 0.5, of strangers 0.2.
 */
const WEIGHTS = { common: 0.45, community: 0.5, occupation: 0.35, own: 0.65 } as const;

interface Subject {
  readonly community: number;
  readonly occupation: number;
  /** Number of the memory in the society. */
  readonly index: number;
}

/** Keeps the directions of the latest community and of the occupations, of which there are few. */
export function createVectorMaker(seed: number, dimension: number): (subject: Subject) => Float32Array {
  const common = directionOf(seed, 'common-direction', 0, dimension);
  const occupations: Float64Array[] = [];
  let latest = { community: -1, direction: common };

  return ({ community, occupation, index }) => {
    if (latest.community !== community) {
      latest = { community, direction: directionOf(seed, 'community-direction', community, dimension) };
    }
    occupations[occupation] ??= directionOf(seed, 'occupation-direction', occupation, dimension);
    const mixture = directionOf(seed, 'own-direction', index, dimension);
    for (let place = 0; place < dimension; place++) {
      mixture[place] =
        WEIGHTS.common * (common[place] ?? 0) +
        WEIGHTS.community * (latest.direction[place] ?? 0) +
        WEIGHTS.occupation * (occupations[occupation]?.[place] ?? 0) +
        WEIGHTS.own * (mixture[place] ?? 0);
    }
    return Float32Array.from(toUnitLength(mixture));
  };
}

/** A unit vector. Its components are uniform, not normal: with hundreds of them, directions spread as well. */
function directionOf(seed: number, purpose: Purpose, index: number, dimension: number): Float64Array {
  const random = randomFor(seed, purpose, index);
  const direction = new Float64Array(dimension);
  for (let place = 0; place < dimension; place++) direction[place] = 2 * unit(random) - 1;
  return toUnitLength(direction);
}

/** In place. */
function toUnitLength(vector: Float64Array): Float64Array {
  let squares = 0;
  for (const component of vector) squares += component * component;
  const length = Math.sqrt(squares);
  for (let place = 0; place < vector.length; place++) vector[place] = (vector[place] ?? 0) / length;
  return vector;
}
