import { idIn } from './key-patterns.ts';
import type { Layout, RedisKind } from './layout.ts';

/** What a mapped key holds, as the scripts of capture call it. */
export type KeyCode = 'agent' | 'policy' | 'named' | 'q' | 'experience';

const CODES: readonly (readonly [code: KeyCode, pattern: keyof Layout['patterns'], kind: RedisKind])[] = [
  ['q', 'qValues', 'q-value'],
  ['experience', 'experiences', 'experience'],
  ['agent', 'agent', 'agent'],
  ['named', 'namedPolicies', 'policy'],
  ['policy', 'policy', 'policy'],
];

export interface MappedKey {
  readonly code: KeyCode;
  /** The agent's, from the key. */
  readonly id: string;
}

/** What the mapping says of a key; undefined where it holds nothing of these kinds. */
export function codeOfKey(
  key: string,
  { patterns }: Layout,
  kinds: readonly RedisKind[],
): MappedKey | undefined {
  for (const [code, pattern, kind] of CODES) {
    if (!kinds.includes(kind)) continue;
    const id = idIn(patterns[pattern], key);
    if (id !== undefined) return { code, id };
  }
  return undefined;
}
