import { ChangeoverError } from '../../core/errors.ts';

/**
 * A vector as applications hold it: numbers, or the bytes of float32 numbers in little-endian order. A number that is no
 * float32 becomes the nearest one (ties to even, as the hardware rounds).
 */
export type Vector = Float32Array | readonly number[] | Uint8Array;

const FLOAT32_BYTES = 4;

/**
 * The vector's bytes as the log carries them: float32, little-endian. A copy, so that the caller may use its array again.
 * Throws `change-rejected` for what is no vector of finite float32 numbers, naming the place.
 */
export function vectorBytes(vector: Vector): Uint8Array {
  if (vector instanceof Uint8Array) return fromBytes(vector);
  if (!(vector instanceof Float32Array) && !Array.isArray(vector)) {
    throw noVector('is neither numbers nor bytes');
  }
  const numbers = vector as ArrayLike<number>;
  const bytes = new Uint8Array(numbers.length * FLOAT32_BYTES);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < numbers.length; index++) {
    const component = numbers[index];
    if (typeof component !== 'number') throw noVector(`has something other than a number at place ${index}`);
    // What is finite as a double can be beyond a float32.
    if (!Number.isFinite(Math.fround(component))) {
      throw noVector(`has ${component} at place ${index}, which is not a finite float32`);
    }
    view.setFloat32(index * FLOAT32_BYTES, component, true);
  }
  return bytes;
}

function fromBytes(given: Uint8Array): Uint8Array {
  if (given.byteLength % FLOAT32_BYTES !== 0) {
    throw noVector(`has ${given.byteLength} bytes, not ${FLOAT32_BYTES} for each component`);
  }
  const bytes = Uint8Array.from(given);
  const faulty = firstNotFinite(bytes);
  if (faulty !== undefined) throw noVector(`has a component that is not finite at place ${faulty}`);
  return bytes;
}

function firstNotFinite(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < bytes.byteLength / FLOAT32_BYTES; index++) {
    if (!Number.isFinite(view.getFloat32(index * FLOAT32_BYTES, true))) return index;
  }
  return undefined;
}

function noVector(what: string): ChangeoverError {
  return new ChangeoverError('change-rejected', `vector ${what}`);
}
