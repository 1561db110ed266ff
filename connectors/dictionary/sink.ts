import type { Kind } from '../../schemas/kinds.ts';
import { coalescingSink } from '../coalescing-sink.ts';
import type { Sink } from '../connector.ts';
import type { DictionaryClient } from './client.ts';
import { isDictionaryKind } from './kinds.ts';

export function dictionarySink(client: DictionaryClient, kinds: readonly Kind[]): Sink {
  return coalescingSink({
    kinds,
    close: async () => {},
    applyDistinct: async (kind, changes) => {
      if (!isDictionaryKind(kind)) throw new Error(`A dictionary holds no ${kind}.`);
      return client.apply(kind, changes);
    },
  });
}
