import { randomFor } from './random.ts';

/** The id of the agent at an index: a version 8 UUID (RFC 9562, 5.8) of numbers that follow from seed and index. */
export function agentIdAt(seed: number, index: number): string {
  const random = randomFor(seed, 'id', index);
  const a = hex(random());
  const b = hex(((random() & 0xffff0fff) | 0x00008000) >>> 0);
  const c = hex(((random() & 0x3fffffff) | 0x80000000) >>> 0);
  const d = hex(random());
  return `${a}-${b.slice(0, 4)}-${b.slice(4)}-${c.slice(0, 4)}-${c.slice(4)}${d}`;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
