import type { Kind } from '../../schemas/kinds.ts';

/** What a dictionary holds, in either role. The order is part of the journal's format: add at the end only. */
export const DICTIONARY_KINDS = ['agent', 'relationship'] as const satisfies readonly Kind[];
export type DictionaryKind = (typeof DICTIONARY_KINDS)[number];

export function isDictionaryKind(kind: Kind): kind is DictionaryKind {
  return (DICTIONARY_KINDS as readonly Kind[]).includes(kind);
}
